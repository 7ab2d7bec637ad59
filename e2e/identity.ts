// A place to sign in at: the certified OpenID provider `oidc-provider`, on a port of its own, with
// PKCE, access tokens that are JWTs, and refresh tokens that change with each use. Only the form in
// which people say who they are is ours.

import { type JsonWebKey, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, type Server as HttpServer, type ServerResponse, createServer } from 'node:http';
import Provider, { type Configuration } from 'oidc-provider';

/** Whom the tokens are for: the resource that they open. */
export const AUDIENCE = 'https://babelwire.example/api';

export const CLIENT = 'babelwire-page';

export interface IdentityOptions {
  /** How long an access token lasts, in seconds. */
  lifetime?: number;
  /** Whether there are refresh tokens. */
  refresh?: boolean;
}

export class Identity {
  /** How often tokens were given for what, by grant type. */
  readonly asked: Record<string, number> = {};
  /** What was refused at the token endpoint. */
  readonly refused: string[] = [];
  private readonly http: HttpServer;
  private readonly key: JsonWebKey & { kid: string };
  private readonly revocable: { destroy(): Promise<unknown> }[] = [];
  private provider: Provider | undefined;
  /** With which authorization {@link store} was asked. */
  readonly fetched: (string | undefined)[] = [];
  private stored = '';
  /** While set, the token endpoint answers 503. */
  outOfOrder = false;

  private constructor(
    private readonly port: number,
    http: HttpServer,
    private readonly options: IdentityOptions,
  ) {
    this.http = http;
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    this.key = { ...privateKey.export({ format: 'jwk' }), kid: 'e2e', alg: 'RS256', use: 'sig' } as never;
    http.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.answer(request, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error));
      });
    });
  }

  static async start(options: IdentityOptions = {}): Promise<Identity> {
    const http = createServer();
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    const address = http.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new Identity(address.port, http, options);
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What verifies its tokens. */
  get jwks(): { keys: JsonWebKey[] } {
    const { kty, n, e, kid } = this.key;
    return { keys: [{ kty, n, e, kid, alg: 'RS256', use: 'sig' }] as never };
  }

  /** What the page's config.json says of it. */
  get signIn(): Record<string, string> {
    return {
      authorizeUrl: `${this.issuer}/auth?resource=${encodeURIComponent(AUDIENCE)}`,
      tokenUrl: `${this.issuer}/token`,
      clientId: CLIENT,
      scope: 'openid',
      logoutUrl: `${this.issuer}/session/end?client_id=${CLIENT}`,
    };
  }

  /** Knows the page from here on. */
  serve(page: string): void {
    const configuration: Configuration = {
      clients: [
        {
          client_id: CLIENT,
          token_endpoint_auth_method: 'none',
          grant_types: ['authorization_code', 'refresh_token'],
          response_types: ['code'],
          redirect_uris: [`${page}/`],
          post_logout_redirect_uris: [`${page}/`],
        },
      ],
      clientBasedCORS: (_context, origin) => origin === page,
      cookies: { keys: ['e2e'] },
      features: {
        devInteractions: { enabled: false },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => AUDIENCE,
          useGrantedResource: () => true,
          getResourceServerInfo: () => ({
            scope: '',
            audience: AUDIENCE,
            accessTokenFormat: 'jwt',
            accessTokenTTL: this.options.lifetime ?? 3600,
            jwt: { sign: { alg: 'RS256' } },
          }),
        },
        rpInitiatedLogout: {
          enabled: true,
          postLogoutSuccessSource: (context) => {
            context.body = '<!doctype html><link rel="icon" href="data:,"><title>Signed out</title>';
          },
          logoutSource: (context, form) => {
            context.body = `<!doctype html><link rel="icon" href="data:,"><title>Sign out</title>${form}
              <button form="op.logoutForm" name="logout" value="yes">Really sign out</button>`;
          },
        },
      },
      findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
      interactions: { url: (_context, interaction) => `/who/${interaction.uid}` },
      issueRefreshToken: () => this.options.refresh ?? true,
      jwks: { keys: [this.key as never] },
      // Everybody agrees to everything.
      loadExistingGrant: async (context) => {
        const { client, session } = context.oidc;
        const grant = new context.oidc.provider.Grant({
          clientId: client!.clientId,
          accountId: session!.accountId!,
        });
        grant.addOIDCScope('openid offline_access');
        grant.addResourceScope(AUDIENCE, '');
        await grant.save();
        return grant;
      },
      pkce: { required: () => true },
      rotateRefreshToken: true,
      ttl: { Interaction: 600, Session: 3600, Grant: 3600, RefreshToken: 3600, IdToken: 600 },
    };
    this.provider = new Provider(this.issuer, configuration);
    this.provider.on('refresh_token.saved', (token) => this.revocable.push(token));
    this.provider.on('grant.error', (_context, error) => this.refused.push(String(error.error_detail ?? error)));
    this.provider.on('grant.success', (context) => {
      const type = String(context.oidc.params?.grant_type);
      this.asked[type] = (this.asked[type] ?? 0) + 1;
    });
  }

  /** Stands in for an object store: the page may ask this origin, and it is another one than the
   * backend's. Gives the address of a text. */
  store(text: string): string {
    this.stored = text;
    return `${this.issuer}/object?signature=abc`;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { provider } = this;
    const { pathname, searchParams } = new URL(request.url ?? '/', this.issuer);
    if (!provider) throw new Error('it knows no page yet');
    if (pathname === '/token' && this.outOfOrder) {
      response.writeHead(503, { 'Access-Control-Allow-Origin': request.headers.origin ?? '*' }).end();
    } else if (pathname === '/object') {
      this.fetched.push(request.headers.authorization);
      response.writeHead(200, {
        'Access-Control-Allow-Origin': '*',
        'Content-Disposition': 'attachment; filename="another name.txt"',
      });
      response.end(this.stored);
    } else if (pathname.startsWith('/who/') && searchParams.has('name')) {
      const login = { accountId: searchParams.get('name') ?? '' };
      await provider.interactionFinished(request, response, { login });
    } else if (pathname.startsWith('/who/') && searchParams.has('cancel')) {
      const refusal = { error: 'access_denied', error_description: 'They did not want to.' };
      await provider.interactionFinished(request, response, refusal);
    } else if (pathname.startsWith('/who/')) {
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(`<!doctype html>
        <html lang="en"><title>Who are you?</title><link rel="icon" href="data:,">
        <form><label>Name <input name="name" autofocus></label> <button>Continue</button></form>
        <form><button name="cancel" value="yes">Cancel</button></form></html>`);
    } else {
      await provider.callback()(request, response);
    }
  }

  /** Takes back every refresh token that it gave out. */
  async revoke(): Promise<void> {
    await Promise.all(this.revocable.splice(0).map((token) => token.destroy()));
  }

  async dispose(): Promise<void> {
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, 'close');
  }
}
