// Three clients that know nothing of each other, on one gateway: a terminal, a page of React, ours.

import { FILES } from '../article-backend.js';
import { ReactPage } from '../react-page.js';
import { Wscat } from '../wscat.js';
import { Babelwire, watch } from '../../fixtures.js';
import { Server } from '../../server.js';
import { expect, test } from './fixtures.js';

interface Clients {
  wscat: Wscat;
  react: ReactPage;
  ours: Babelwire<{ readonly origin: string }>;
}

async function sayAndHear({ wscat, react, ours }: Clients): Promise<void> {
  wscat.type('{"action":"echomessage","data":"from a terminal"}');
  await react.say('from React');
  await ours.send('echomessage', 'from Babelwire');
  for (const words of ['from a terminal', 'from React', 'from Babelwire']) {
    await wscat.hears(`${words}\n`);
    await expect(react.messages.getByText(words, { exact: true })).toHaveCount(1);
    await expect(ours.frames.getByText(words, { exact: true })).toHaveCount(1);
  }
}

test('on serverless-offline, wscat, a React page and ours hear the same', async ({
  backend,
  ada,
  browser,
  complaints,
}) => {
  const context = await browser.newContext();
  await watch(context, complaints);
  const react = await ReactPage.host(await context.newPage());
  const wscat = await Wscat.connect(backend.websocketUrl);
  try {
    await react.open(backend.websocketUrl);
    await ada.open();
    if (!(await ada.console.isVisible())) await ada.openConsole();
    await sayAndHear({ wscat, react, ours: ada });

    await backend.put(FILES, 'for all.txt');
    const told = 'A new file has arrived: for all.txt';
    await wscat.hears(`{"bucketName":"${FILES}","bucketKey":"for all.txt","message":"${told}"}`);
    await expect(react.messages.filter({ hasText: told })).toHaveCount(1);
    await expect(ada.page.getByRole('region', { name: 'News' })).toContainText(told);
  } finally {
    await wscat.dispose();
    await react.dispose();
    await context.close();
  }
});

test('on our own server, wscat, a React page and ours hear the same', async ({ context, browser, complaints }) => {
  await watch(context, complaints);
  const elsewhere = await browser.newContext();
  await watch(elsewhere, complaints);
  const react = await ReactPage.host(await elsewhere.newPage());
  const server = await Server.start({ translator: 'pseudo', more: ['--allow-origin', react.origin] });
  const websocketUrl = `${server.origin.replace('http', 'ws')}/live`;
  const wscat = await Wscat.connect(websocketUrl);
  try {
    await react.open(websocketUrl);
    const ours = new Babelwire(await context.newPage(), server);
    await ours.open();
    await ours.openConsole();
    await sayAndHear({ wscat, react, ours });

    const { id } = await server.upload('for all.txt', Buffer.from('A house.\n'));
    // Their page reads ours: what it knows of an object's event is in it.
    await expect(react.messages.filter({ hasText: 'for all.txt' }).filter({ hasText: id })).not.toHaveCount(0);
    await wscat.hears('"event":"ObjectCreated:Put"');
    await wscat.hears(`"translationId":"${id}"`);
    await expect(ours.frames).toContainText('ObjectCreated:Put');
    await ours.isDone('for all.txt');
  } finally {
    await wscat.dispose();
    await react.dispose();
    await server.dispose();
    await elsewhere.close();
  }
});
