// `echomessage`: what one says, all hear.

import { broadcast } from './broadcast.js';

export async function handler({ body }) {
  await broadcast(JSON.parse(body).data);
  return { statusCode: 200, body: 'Sent.' };
}
