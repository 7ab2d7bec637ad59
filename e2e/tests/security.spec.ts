// What keeps other people's pages out, and other people's text harmless.

import { request as httpRequest } from 'node:http';
import { expect, test } from '../fixtures.js';

/** A request with headers that `fetch` would not let through. */
function ask(
  port: number,
  path: string,
  headers: Record<string, string>,
  method = 'GET',
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, path, method, headers }, (response) => {
      response.destroy();
      resolve(response.statusCode);
    });
    request.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve(response.statusCode);
    });
    request.on('error', reject);
    request.end();
  });
}

const HANDSHAKE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

test('a page of another origin gets 403: socket, REST and @connections', async ({ server }) => {
  const { port } = server;
  expect(await ask(port, '/live', HANDSHAKE)).toBe(101);
  expect(await ask(port, '/live', { ...HANDSHAKE, Origin: server.origin })).toBe(101);
  const Origin = 'https://evil.example';
  expect(await ask(port, '/live', { ...HANDSHAKE, Origin })).toBe(403);
  expect(await ask(port, '/api/translations', { Origin })).toBe(403);
  expect(await ask(port, '/live/@connections/abc=', { Origin }, 'POST')).toBe(403);
});

test('a name that was rebound to this machine gets 403', async ({ server }) => {
  const { port } = server;
  const Host = `evil.example:${port}`;
  expect(await ask(port, '/live', { ...HANDSHAKE, Host, Origin: `http://${Host}` })).toBe(403);
  expect(await ask(port, '/api/translations', { Host })).toBe(403);
  expect(await ask(port, '/live/@connections/abc=', { Host })).toBe(403);
  expect(await ask(port, '/api/health', { Host: `localhost:${port}` })).toBe(200);
});

test('another site\'s page cannot open the socket from a browser', async ({ server, page, context }) => {
  await context.route('https://evil.example/', (route) =>
    route.fulfill({ contentType: 'text/html', body: '<title>evil</title>' }),
  );
  await page.goto('https://evil.example/');
  const outcome = await page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url);
        socket.onopen = () => resolve('open');
        socket.onclose = () => resolve('refused');
      }),
    `ws://127.0.0.1:${server.port}/live`,
  );
  expect(outcome).toBe('refused');
});

test('the page is sent with the headers that keep it safe', async ({ server }) => {
  const response = await fetch(`${server.origin}/`);
  const policy = response.headers.get('content-security-policy') ?? '';
  const meta = /http-equiv="Content-Security-Policy"[^>]*content="([^"]*)"/i.exec(await response.text())?.[1];
  for (const directives of [policy, meta ?? policy]) {
    expect(directives).toMatch(/script-src 'self' 'wasm-unsafe-eval'/);
    expect(directives).not.toMatch(/unsafe-inline/);
    expect(directives).not.toMatch(/'unsafe-eval'/);
  }
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  expect(response.headers.get('referrer-policy')).toBe('no-referrer');
});

test('a text that is HTML is shown and downloaded as text', async ({ babelwire, server }) => {
  await babelwire.open();
  await babelwire.languages('en', 'es');
  const text = '<script>document.title = "owned"</script> <img src=x onerror="document.title=1"> The house.\n';
  await babelwire.choose({ name: 'page.html.txt', text });
  await babelwire.isDone('page.html.txt');
  await babelwire.button('Open page.html.txt').click();
  await babelwire.view('Both');
  await expect(babelwire.reader).toContainText('<img src=x');
  await expect(babelwire.reader.locator('img, script')).toHaveCount(0);
  expect(await babelwire.page.title()).not.toBe('owned');
  const { id } = await server.translation('page.html.txt');
  for (const kind of ['source', 'result']) {
    const response = await server.rest(`translations/${id}/${kind}`);
    expect(response.headers.get('content-disposition')).toMatch(/^attachment/);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('content-type')).not.toMatch(/html/);
  }
});
