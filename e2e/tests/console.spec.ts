// The console: every frame, in and out.

import { expect, test } from '../fixtures.js';

test('the console sends an action and shows both frames', async ({ babelwire }) => {
  await babelwire.open();
  await babelwire.openConsole();
  await babelwire.send('ping', 'are you there?');
  await expect(babelwire.frames).toContainText('"action":"ping"');
  await expect(babelwire.frames).toContainText('"type":"pong"');
  await expect(babelwire.frames.getByText('are you there?')).toHaveCount(2);
});

test('an action that the backend does not know gets the gateway\'s own answer', async ({ babelwire }) => {
  await babelwire.open();
  await babelwire.openConsole();
  await babelwire.send('no-such-action', '');
  await expect(babelwire.frames).toContainText(/"message":\s*"Forbidden"/);
  await expect(babelwire.frames).toContainText('connectionId');
  await babelwire.isConnected();
});

test('a file\'s coming is told by an object event', async ({ babelwire, server }) => {
  await babelwire.open();
  await babelwire.openConsole();
  const { id } = await server.upload('event.txt', Buffer.from('A house.\n'));
  await expect(babelwire.frames).toContainText('ObjectCreated:Put');
  await expect(babelwire.frames).toContainText(id);
});

test('a backend with a WebSocket alone makes the page a live console', async ({ babelwire, server }) => {
  await babelwire.page.route('**/config.json', (route) =>
    route.fulfill({ json: { websocketUrl: 'live' } }),
  );
  await babelwire.open();
  await expect(babelwire.button('Choose text files')).toBeHidden();
  if (!(await babelwire.console.isVisible())) await babelwire.openConsole();
  await babelwire.send('echomessage', 'hello');
  await expect(babelwire.frames.getByText('hello')).not.toHaveCount(0);
  await server.upload('seen.txt', Buffer.from('A house.\n'));
  await expect(babelwire.page.getByText(/seen\.txt/).first()).toBeVisible();
});

const configurations: Record<string, { status: number; body: string }> = {
  'that is missing': { status: 404, body: 'not found' },
  'that is not JSON': { status: 200, body: '<!doctype html>' },
  'without a WebSocket': { status: 200, body: '{"apiUrl":"api"}' },
};
for (const [kind, answer] of Object.entries(configurations)) {
  test(`a configuration ${kind} is a page that says so in words`, async ({ babelwire, complaints }) => {
    complaints.networkMayFail = true;
    await babelwire.page.route('**/config.json', (route) => route.fulfill(answer));
    await babelwire.page.goto(babelwire.server.origin);
    await expect(babelwire.page.getByText(/config\.json/).first()).toBeVisible();
    await expect(babelwire.page.getByRole('heading', { level: 1, name: 'Babelwire' })).toBeVisible();
  });
}

test('a frame nested ten thousand deep does the page no harm', async ({ babelwire }) => {
  await babelwire.open();
  await babelwire.openConsole();
  await babelwire.send('echomessage', '{"a":'.repeat(2_000) + '['.repeat(8_000));
  await babelwire.send('echomessage', `${'['.repeat(10_000)}${']'.repeat(10_000)}`);
  await babelwire.send('ping', 'still there?');
  await expect(babelwire.frames.getByText('still there?')).toHaveCount(2);
  await babelwire.isConnected();
});

test('a page that breaks down says so instead of looking alive', async ({ babelwire }) => {
  await babelwire.open();
  // What a panic within the page comes to, as the browser tells it.
  await babelwire.page.evaluate(() => {
    dispatchEvent(new ErrorEvent('error', { error: new WebAssembly.RuntimeError('unreachable') }));
  });
  await expect(babelwire.page.getByRole('alert')).toContainText('This page stopped working');
  await expect(babelwire.page.getByRole('button', { name: 'Choose text files' })).toBeHidden();
});
