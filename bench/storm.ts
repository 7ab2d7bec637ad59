// A backend of a thousand translations that all change at once: it speaks the page's protocol and
// does nothing else, so that what is measured is the page.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type Server as Http, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';
import { type WebSocket, WebSocketServer } from 'ws';

const TYPES: Record<string, string> = {
  html: 'text/html',
  js: 'text/javascript',
  css: 'text/css',
  wasm: 'application/wasm',
  json: 'application/json',
  svg: 'image/svg+xml',
  webmanifest: 'application/manifest+json',
};

/** Segments of each translation: more than a storm has frames for it. */
const TOTAL = 100_000;

export class Storm {
  private readonly revisions: number[];
  private sockets = new Set<WebSocket>();

  private constructor(
    private readonly http: Http,
    private readonly rows: number,
  ) {
    this.revisions = Array.from({ length: rows }, () => 1);
  }

  static async start(ui: string, rows: number): Promise<Storm> {
    const http = createServer((request, response) => {
      const path = new URL(request.url ?? '/', 'http://localhost').pathname;
      const json = (value: unknown) => {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(value));
      };
      if (path === '/config.json') return json({ websocketUrl: 'live', apiUrl: 'api' });
      if (path === '/api/languages') {
        return json({ translator: 'apertium', detect: false, pairs: [{ source: 'en', target: 'es' }] });
      }
      if (path === '/api/translations') {
        const first = !request.url?.includes('changedSince');
        // What changes is told over the socket alone, so nothing that is lost there comes this way.
        const translations = first ? storm.revisions.map((_, row) => storm.snapshot(row, 0, 'translating', 1)) : [];
        return json({ translations, removed: [], next: null, cursor: 'c1' });
      }
      const name = normalize(path === '/' ? '/index.html' : path);
      readFile(join(ui, name)).then(
        (content) => {
          response.setHeader('content-type', TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream');
          response.end(content);
        },
        () => {
          response.statusCode = 404;
          response.end();
        },
      );
    });
    const storm: Storm = new Storm(http, rows);
    const gateway = new WebSocketServer({ server: http, path: '/live', perMessageDeflate: false });
    gateway.on('connection', (socket) => {
      storm.sockets.add(socket);
      socket.on('close', () => storm.sockets.delete(socket));
      socket.on('message', (text) => {
        const frame = JSON.parse(String(text)) as { action: string; data?: string };
        if (frame.action === 'ping') socket.send(JSON.stringify({ type: 'pong', data: frame.data }));
      });
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return storm;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  private snapshot(row: number, done: number, status: string, revision: number): object {
    return {
      id: `T${row}`,
      name: `Volume ${row + 1}.txt`,
      size: 4_000_000,
      source: 'en',
      target: 'es',
      charset: 'utf-8',
      status,
      done,
      total: TOTAL,
      error: null,
      createdAt: new Date(Date.UTC(2026, 0, 1, 0, 0, 0, this.rows - row)).toISOString(),
      updatedAt: '2026-01-01T00:00:01Z',
      revision,
    };
  }

  private send(row: number, status: 'translating' | 'done'): void {
    const revision = (this.revisions[row] ?? 1) + 1;
    this.revisions[row] = revision;
    const translation = this.snapshot(row, status === 'done' ? TOTAL : revision, status, revision);
    const text = JSON.stringify({ type: 'translation', translation });
    for (const socket of this.sockets) socket.send(text);
  }

  /** Sends `rate` snapshots a second for so many seconds, to the rows in turn; the answer is how
   * many they were. */
  async rage(rate: number, seconds: number): Promise<number> {
    const began = performance.now();
    let sent = 0;
    while (sent < rate * seconds) {
      const due = Math.min(rate * seconds, Math.floor(((performance.now() - began) / 1_000) * rate));
      for (; sent < due; sent++) this.send(sent % this.rows, 'translating');
      await new Promise((resolve) => setTimeout(resolve, 4));
    }
    return sent;
  }

  /** Ends every translation, with one frame each; the answer is how many. */
  finish(): number {
    for (let row = 0; row < this.rows; row++) this.send(row, 'done');
    return this.rows;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.terminate();
    this.http.close();
    this.http.closeAllConnections();
    await once(this.http, 'close');
  }
}
