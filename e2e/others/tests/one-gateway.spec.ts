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

/** Has a terminal and a React page as well, and ends them whatever happens. */
const together = test.extend<{ react: ReactPage; terminal: (url: string) => Promise<Wscat> }>({
  react: async ({ browser, complaints }, use) => {
    const context = await browser.newContext();
    await watch(context, complaints);
    const react = await ReactPage.host(await context.newPage());
    await use(react);
    await react.dispose();
    await context.close();
  },

  terminal: async ({}, use) => {
    const open: Wscat[] = [];
    await use(async (url) => {
      const wscat = Wscat.start(url);
      open.push(wscat);
      await wscat.isConnected();
      return wscat;
    });
    for (const wscat of open) await wscat.dispose();
  },
});

together('on serverless-offline, wscat, a React page and ours hear the same', async ({
  backend,
  ada,
  react,
  terminal,
}) => {
  const wscat = await terminal(backend.websocketUrl);
  await react.open(backend.websocketUrl);
  await ada.open();
  if (!(await ada.console.isVisible())) await ada.openConsole();
  await sayAndHear({ wscat, react, ours: ada });

  await backend.put(FILES, 'for all.txt');
  const told = 'A new file has arrived: for all.txt';
  await wscat.hears(`{"bucketName":"${FILES}","bucketKey":"for all.txt","message":"${told}"}`);
  await expect(react.messages.filter({ hasText: told })).toHaveCount(1);
  await expect(ada.page.getByRole('region', { name: 'News' })).toContainText(told);
});

together('on our own server, wscat, a React page and ours hear the same', async ({
  context,
  complaints,
  react,
  terminal,
}) => {
  await watch(context, complaints);
  const server = await Server.start({ translator: 'pseudo', more: ['--allow-origin', react.origin] });
  try {
    const websocketUrl = `${server.origin.replace('http', 'ws')}/live`;
    const wscat = await terminal(websocketUrl);
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
    await server.dispose();
  }
});
