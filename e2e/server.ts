// The real server, with data of its own, on a port of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Translation {
  id: string;
  name: string;
  size: number;
  source: string;
  target: string;
  charset: string | null;
  status: 'awaiting-upload' | 'queued' | 'translating' | 'done' | 'failed' | 'cancelled';
  done: number;
  total: number;
  error: { title: string; detail: string } | null;
  revision: number;
}

export function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run \`cargo xtask test e2e\``);
  return value;
}

export async function freePort(): Promise<number> {
  const listener = createServer();
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  listener.close();
  await once(listener, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** How a server is started. */
export interface ServerOptions {
  translator?: 'auto' | 'apertium' | 'pseudo';
  /** The page's files, if they are not those that were built. */
  ui?: string;
  /** More options of the command line. */
  more?: string[];
}

export class Server {
  private process: ChildProcess | undefined;
  private log = '';

  private constructor(
    readonly port: number,
    readonly data: string,
    private readonly options: ServerOptions,
  ) {}

  static async start(options: ServerOptions = {}): Promise<Server> {
    const data = await mkdtemp(join(tmpdir(), 'babelwire-e2e-'));
    const server = new Server(await freePort(), data, options);
    await server.start();
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The process id, for measurements. */
  get pid(): number {
    const pid = this.process?.pid;
    if (pid === undefined) throw new Error('the server is not running');
    return pid;
  }

  /** Starts it on the data that it has, and waits until it answers. */
  async start(): Promise<void> {
    const child = spawn(
      setting('BABELWIRE_SERVER'),
      [
        ...['--listen', `127.0.0.1:${this.port}`],
        ...['--data', this.data],
        ...['--ui', this.options.ui ?? setting('BABELWIRE_UI')],
        ...['--translator', this.options.translator ?? 'apertium'],
        ...(this.options.more ?? []),
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.log += text));
    }
    const deadline = Date.now() + 30_000;
    while (Date.now() < deadline) {
      if (child.exitCode !== null) break;
      try {
        if ((await fetch(`${this.origin}/api/health`)).ok) return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    throw new Error(`the server did not start:\n${this.log}`);
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** Asks it to end; the answer is its exit code. */
  async stop(): Promise<number | null> {
    return this.end('SIGTERM');
  }

  private async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return null;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
    return child.exitCode;
  }

  /** Ends it for good. */
  async dispose(): Promise<void> {
    await this.end('SIGKILL');
    await rm(this.data, { recursive: true, force: true });
  }

  /** What the server has logged so far. */
  get logged(): string {
    return this.log;
  }

  /** Calls REST; an answer that is not 2xx is an error. */
  async rest(path: string, init?: RequestInit): Promise<Response> {
    const response = await fetch(`${this.origin}/api/${path}`, init);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response;
  }

  async translations(): Promise<Translation[]> {
    const page = (await (await this.rest('translations?limit=100')).json()) as {
      translations: Translation[];
    };
    return page.translations;
  }

  /** The newest translation of a file of that name. */
  async translation(name: string): Promise<Translation> {
    const found = (await this.translations()).find((translation) => translation.name === name);
    if (!found) throw new Error(`the server knows no ${name}`);
    return found;
  }

  /** The finished text. */
  async result(id: string): Promise<Buffer> {
    return Buffer.from(await (await this.rest(`translations/${id}/result`)).arrayBuffer());
  }

  /** Translates `bytes` over REST alone, up to the end of the upload. */
  async upload(name: string, bytes: Buffer, source = 'en', target = 'es'): Promise<Translation> {
    const made = (await (
      await this.rest('translations', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name, size: bytes.length, source, target }),
      })
    ).json()) as {
      translation: Translation;
      upload: { method: string; url: string; headers: Record<string, string> };
    };
    const put = await fetch(new URL(made.upload.url, this.origin), {
      method: made.upload.method,
      headers: made.upload.headers,
      body: bytes as BodyInit,
    });
    if (!put.ok) throw new Error(`upload: ${put.status} ${await put.text()}`);
    return made.translation;
  }
}
