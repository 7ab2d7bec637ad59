// The backend in article-backend/, run by serverless-offline: its table is on dynalite, its buckets
// on s3rver, whose events serverless-s3-local hands to the functions.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CreateTableCommand, DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import type { CreateTableCommandInput } from '@aws-sdk/client-dynamodb';
import { DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import dynalite from 'dynalite';
import yaml from 'js-yaml';
import { freePort } from '../server.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const service = join(here, 'article-backend');

/** The only key that s3rver knows; dynalite takes any. */
const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };
const region = 'us-east-1';

/** What `!GetAtt` and its like stand for is nothing that runs here. */
const CLOUDFORMATION = yaml.DEFAULT_SCHEMA.extend(
  ['GetAtt', 'Ref', 'Sub'].map((name) => new yaml.Type(`!${name}`, { kind: 'scalar' })),
);

export const FILES = 'live-bucket-files';
export const ARCHIVE = 'live-bucket-archive';

export class ArticleBackend {
  private process: ChildProcess | undefined;
  private log = '';

  private constructor(
    private readonly ports: { websocket: number; lambda: number; s3: number },
    private readonly data: string,
    private readonly tables: HttpServer,
    private readonly dynamodb: DynamoDBClient,
    private readonly s3: S3Client,
  ) {}

  static async start(): Promise<ArticleBackend> {
    const ports = { websocket: await freePort(), lambda: await freePort(), s3: await freePort() };
    const data = await mkdtemp(join(tmpdir(), 'babelwire-others-'));
    const tables = dynalite({ createTableMs: 0 });
    tables.listen(0, '127.0.0.1');
    await once(tables, 'listening');
    const dynamodb = new DynamoDBClient({
      region,
      credentials,
      endpoint: `http://127.0.0.1:${(tables.address() as AddressInfo).port}`,
    });
    const s3 = new S3Client({
      region,
      credentials,
      endpoint: `http://127.0.0.1:${ports.s3}`,
      forcePathStyle: true,
    });
    const backend = new ArticleBackend(ports, data, tables, dynamodb, s3);
    try {
      await backend.makeTable();
      await backend.start();
    } catch (error) {
      await backend.dispose();
      throw error;
    }
    return backend;
  }

  /** The table as serverless.yml has it. */
  private async makeTable(): Promise<void> {
    const text = await readFile(join(service, 'serverless.yml'), 'utf8');
    const template = yaml.load(text, { schema: CLOUDFORMATION }) as {
      resources: { Resources: { ConnectionsTable: { Properties: CreateTableCommandInput } } };
    };
    const { Properties } = template.resources.Resources.ConnectionsTable;
    await this.dynamodb.send(new CreateTableCommand(Properties));
  }

  get websocketUrl(): string {
    return `ws://127.0.0.1:${this.ports.websocket}`;
  }

  /** Starts serverless-offline, and waits until it takes connections. */
  async start(): Promise<void> {
    const tables = this.tables.address() as AddressInfo;
    const child = spawn(
      process.execPath,
      [join(here, 'node_modules', 'serverless', 'bin', 'serverless.js'), 'offline', 'start'],
      {
        cwd: service,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          PATH: process.env.PATH,
          HOME: this.data,
          AWS_ACCESS_KEY_ID: credentials.accessKeyId,
          AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
          AWS_REGION: region,
          AWS_ENDPOINT_URL_DYNAMODB: `http://127.0.0.1:${tables.port}`,
          WEBSOCKET_PORT: String(this.ports.websocket),
          LAMBDA_PORT: String(this.ports.lambda),
          S3_PORT: String(this.ports.s3),
          S3_DIRECTORY: join(this.data, 'buckets'),
        },
      },
    );
    this.process = child;
    this.log = '';
    const listening = new Promise<void>((resolve) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          this.log += text;
          if (this.log.includes('[http for websocket] listening')) resolve();
        });
      }
    });
    const ended = once(child, 'exit').then(() => {
      throw new Error(`serverless-offline did not start:\n${this.log}`);
    });
    await Promise.race([listening, ended]);
    // It will end one day, and then nobody waits.
    ended.catch(() => {});
  }

  /** Ends it as a power cut would: nobody is disconnected properly, the table stays. */
  async kill(): Promise<void> {
    const child = this.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async dispose(): Promise<void> {
    await this.kill();
    this.dynamodb.destroy();
    this.s3.destroy();
    this.tables.close();
    await rm(this.data, { recursive: true, force: true });
  }

  /** What serverless-offline has logged since it was started. */
  get logged(): string {
    return this.log;
  }

  /** Puts a file into a bucket. */
  async put(bucket: string, key: string, text = 'A house.\n'): Promise<void> {
    await this.s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: text }));
  }

  /** Deletes it. */
  async remove(bucket: string, key: string): Promise<void> {
    await this.s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
  }

  /** Calls a function as AWS services do: without waiting for its end. */
  async invoke(name: string, event: unknown): Promise<void> {
    const url = `http://127.0.0.1:${this.ports.lambda}/2015-03-31/functions/live-bucket-local-${name}/invocations`;
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'x-amz-invocation-type': 'Event', 'content-type': 'application/json' },
      body: JSON.stringify(event),
    });
    if (!response.ok) throw new Error(`${name}: ${response.status} ${await response.text()}`);
  }

  /** The ids in the table of connections. */
  async connections(): Promise<string[]> {
    const { Items = [] } = await this.dynamodb.send(
      new ScanCommand({ TableName: 'connections', ConsistentRead: true }),
    );
    return Items.map((item) => item.connectionId?.S ?? '').sort();
  }
}
