// A thousand pages that only listen.

import { once } from 'node:events';
import { test } from '@playwright/test';
import { WebSocket } from 'ws';
import { Server } from '../../e2e/server.js';
import { note, residentMemory, round } from '../report.js';

const CONNECTIONS = 1_000;

test('a thousand idle connections, and an echo to all of them', async () => {
  const server = await Server.start({ translator: 'pseudo' });
  const sockets: WebSocket[] = [];
  const connect = async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/live`);
    sockets.push(socket);
    await once(socket, 'open');
    return socket;
  };
  try {
    // The first ones pay for what all of them share.
    for (let index = 0; index < 20; index++) await connect();
    const before = residentMemory(server.pid).now;
    for (let index = 0; index < CONNECTIONS; index += 50) {
      await Promise.all(Array.from({ length: 50 }, connect));
    }
    const idle = residentMemory(server.pid).now;
    note({ what: '1,000 idle connections to the server: resident memory of each', value: round((idle - before) / CONNECTIONS, 1), unit: 'KiB', atMost: 24 });

    const arrivals = sockets.map((socket) => once(socket, 'message'));
    const began = performance.now();
    sockets[0]?.send(JSON.stringify({ action: 'echomessage', data: 'to all' }));
    const messages = await Promise.all(arrivals);
    note({ what: 'an echo to 1,020 connections: until the last has it', value: round(performance.now() - began, 0), unit: 'ms' });
    const wrong = messages.filter(([data]) => String(data) !== 'to all').length;
    note({ what: 'an echo to 1,020 connections: not arrived as it was sent', value: wrong, unit: 'of 1,020', atMost: 0 });
  } finally {
    for (const socket of sockets) socket.terminate();
    await server.dispose();
  }
});
