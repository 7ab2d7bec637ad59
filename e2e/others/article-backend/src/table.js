// The table of connections.

import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DeleteCommand, DynamoDBDocumentClient, PutCommand, paginateScan } from '@aws-sdk/lib-dynamodb';

const TableName = process.env.CONNECTIONS_TABLE;
const client = DynamoDBDocumentClient.from(new DynamoDBClient({}));

export async function add(connectionId) {
  await client.send(new PutCommand({ TableName, Item: { connectionId } }));
}

export async function remove(connectionId) {
  await client.send(new DeleteCommand({ TableName, Key: { connectionId } }));
}

/** Everybody who is connected, and some who no longer are. */
export async function all() {
  const ids = [];
  for await (const page of paginateScan({ client }, { TableName, ProjectionExpression: 'connectionId' })) {
    ids.push(...page.Items.map((item) => item.connectionId));
  }
  return ids;
}
