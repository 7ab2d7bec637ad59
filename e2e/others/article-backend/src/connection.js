// $connect and $disconnect: who is there is what the table says.

import * as table from './table.js';

export async function connect({ requestContext }) {
  await table.add(requestContext.connectionId);
  return { statusCode: 200, body: 'Connected.' };
}

export async function disconnect({ requestContext }) {
  await table.remove(requestContext.connectionId);
  return { statusCode: 200, body: 'Disconnected.' };
}
