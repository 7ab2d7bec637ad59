// What a bucket's events are told as.

import { broadcast } from './broadcast.js';

/** S3 writes keys into its events as forms do: a plus is a space. */
function plain(key) {
  return decodeURIComponent(key.replaceAll('+', ' '));
}

/** The three fields of the article. */
export async function inWords({ Records }) {
  for (const { eventName, s3 } of Records) {
    const bucketKey = plain(s3.object.key);
    const message = eventName.startsWith('ObjectRemoved')
      ? `${bucketKey} was deleted`
      : `A new file has arrived: ${bucketKey}`;
    await broadcast(JSON.stringify({ bucketName: s3.bucket.name, bucketKey, message }));
  }
}

/** S3's own words. */
export async function asRecords(event) {
  await broadcast(JSON.stringify(event));
}

/** A line that is no JSON. */
export async function asLine({ Records }) {
  for (const { eventName, s3 } of Records) {
    await broadcast(`${eventName}: ${plain(s3.object.key)}`);
  }
}
