// A backend that takes only who has signed in, and people who do.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Page, expect } from '@playwright/test';
import { test as base } from './fixtures.js';
import { AUDIENCE, Identity, type IdentityOptions } from './identity.js';

export { expect };

/** Says who they are, on the page of the identity provider. */
export async function say(page: Page, name: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Name' }).fill(name);
  await page.getByRole('button', { name: 'Continue' }).click();
}

/** The token that the page has at the moment. */
export async function tokenOf(page: Page): Promise<string> {
  const kept = await page.evaluate(() => sessionStorage.getItem('babelwire.tokens'));
  return (JSON.parse(kept ?? '{}') as { access?: string }).access ?? '';
}

/** What a token says. */
export function claims(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
}

export const test = base.extend<{ identityOptions: IdentityOptions; identity: Identity }>({
  identityOptions: [{}, { option: true }],

  identity: async ({ identityOptions }, use) => {
    const identity = await Identity.start(identityOptions);
    await use(identity);
    await identity.dispose();
  },

  serverOptions: async ({ identity }, use) => {
    const folder = mkdtempSync(join(tmpdir(), 'babelwire-e2e-keys-'));
    const keys = join(folder, 'jwks.json');
    writeFileSync(keys, JSON.stringify(identity.jwks));
    await use({
      more: [
        ...['--auth', keys],
        ...['--auth-issuer', identity.issuer],
        ...['--auth-audience', AUDIENCE],
        ...['--sign-in', JSON.stringify(identity.signIn)],
      ],
    });
    rmSync(folder, { recursive: true, force: true });
  },

  server: async ({ server, identity }, use) => {
    identity.serve(server.origin);
    await use(server);
  },
});
