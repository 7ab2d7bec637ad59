// Scan and post: everybody in the table hears it, whoever is gone is taken out.

import {
  ApiGatewayManagementApiClient,
  GoneException,
  PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi';
import * as table from './table.js';

const api = new ApiGatewayManagementApiClient({ endpoint: process.env.CONNECTIONS_URL });

export async function broadcast(text) {
  await Promise.all((await table.all()).map((connectionId) => post(connectionId, text)));
}

async function post(connectionId, text) {
  try {
    await api.send(new PostToConnectionCommand({ ConnectionId: connectionId, Data: text }));
  } catch (error) {
    // By status as well: a local gateway may leave out the error's name.
    const gone = error instanceof GoneException || error.$metadata?.httpStatusCode === 410;
    if (gone) await table.remove(connectionId);
    else console.error(`${connectionId} was not told:`, error);
  }
}
