// npm's wscat, as a person would use it in a terminal.

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect } from '@playwright/test';

export class Wscat {
  private heard = '';

  private constructor(private readonly process: ChildProcessByStdio<Writable, Readable, Readable>) {
    for (const stream of [process.stdout, process.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.heard += text));
    }
  }

  static start(url: string): Wscat {
    const program = fileURLToPath(new URL('node_modules/wscat/bin/wscat', import.meta.url));
    return new Wscat(spawn(process.execPath, [program, '--no-color', '-c', url], { stdio: 'pipe' }));
  }

  /** Waits until it is: without a terminal it does not say so, and drops what is typed before. */
  async isConnected(): Promise<void> {
    await expect
      .poll(
        () => {
          this.type('{"action":"echomessage","data":"wscat is there"}');
          return this.heard;
        },
        { message: 'wscat hears itself' },
      )
      .toContain('wscat is there');
  }

  type(line: string): void {
    this.process.stdin.write(`${line}\n`);
  }

  /** Waits until it has printed `text`. */
  async hears(text: string): Promise<void> {
    await expect.poll(() => this.heard, { message: `wscat hears ${text}` }).toContain(text);
  }

  async dispose(): Promise<void> {
    if (this.process.exitCode !== null) return;
    const ended = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await ended;
  }
}
