// A host that knows nothing of what it serves: files of a folder, as any static hosting has them.

import { readFile } from 'node:fs/promises';
import { type Server as HttpServer, createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const TYPES: Record<string, string> = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

export class StaticHost {
  private constructor(private readonly http: HttpServer) {}

  /** Serves `folder`; what is in `instead` takes the place of the file of that name. */
  static async start(folder: string, instead: Record<string, string> = {}): Promise<StaticHost> {
    const http = createServer(async (request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://host');
      const name = normalize(decodeURIComponent(pathname)).replace(/\/$/, '/index.html');
      try {
        const body = instead[name] ?? (await readFile(join(folder, name)));
        response.writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'application/octet-stream' });
        response.end(body);
      } catch {
        response.writeHead(404).end();
      }
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return new StaticHost(http);
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  async dispose(): Promise<void> {
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, 'close');
  }
}
