// The functions of AWS on this machine: moto for DynamoDB, S3 and SQS, a fake of Translate, and
// babelwire-cloud for API Gateway and Lambda around the functions' own programs.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run \`cargo xtask test aws\``);
  return value;
}

/** A program that says where it listens. */
class Program {
  log = '';

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.log += text));
    }
  }

  static start(program: string, args: string[]): Program {
    return new Program(spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  /** Waits until it has written something like this; the answer is the first group. */
  async says(pattern: RegExp): Promise<string> {
    const deadline = Date.now() + 60_000;
    while (Date.now() < deadline) {
      const found = pattern.exec(this.log)?.[1];
      if (found) return found;
      if (this.child.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`it never said ${String(pattern)}:\n${this.log}`);
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await ended;
  }
}

export class Cloud {
  private constructor(
    /** Where the page is. */
    readonly origin: string,
    /** The WebSocket API's stage over HTTP, under which `@connections` is. */
    readonly connections: string,
    /** Where S3 is. */
    readonly store: string,
    private readonly programs: Program[],
  ) {}

  static async start(): Promise<Cloud> {
    const moto = Program.start(setting('BABELWIRE_MOTO'), ['-H', '127.0.0.1', '-p', '0']);
    const translate = Program.start(setting('BABELWIRE_FAKE_TRANSLATE'), ['--delay', '30']);
    const programs = [moto, translate];
    try {
      const store = await moto.says(/Running on (http:\S+)/);
      const args = {
        listen: '127.0.0.1:0',
        moto: store,
        translate: await translate.says(/listens at (http:\S+)/),
        functions: setting('BABELWIRE_FUNCTIONS'),
        template: setting('BABELWIRE_TEMPLATE'),
        ui: setting('BABELWIRE_UI'),
      };
      const cloud = Program.start(
        setting('BABELWIRE_CLOUD'),
        Object.entries(args).flatMap(([name, value]) => [`--${name}`, value]),
      );
      programs.push(cloud);
      const origin = await cloud.says(/Babelwire is ready: (\S+)/);
      const config = (await (await fetch(`${origin}/config.json`)).json()) as { websocketUrl: string };
      const connections = `${config.websocketUrl.replace(/^ws/, 'http')}/@connections`;
      return new Cloud(origin, connections, store, programs);
    } catch (error) {
      await Promise.all(programs.map((program) => program.end()));
      throw error;
    }
  }

  /** What all programs have written. */
  get logged(): string {
    return this.programs.map((program) => program.log).join('\n────\n');
  }

  async dispose(): Promise<void> {
    // The cloud first: what it runs talks to the others.
    for (const program of [...this.programs].reverse()) await program.end();
  }
}
