import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, test as base } from '@playwright/test';

/** A stage of the fake gateway, and the calls that steer it. */
class Stage {
  constructor(
    readonly address: string,
    readonly name: string,
  ) {}

  get url(): string {
    return `ws://${this.address}/${this.name}`;
  }

  async post(call: string, body: unknown = ''): Promise<void> {
    const response = await fetch(`http://${this.address}/_control/${this.name}/${call}`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    expect(response.status, await response.text()).toBe(200);
  }
}

const test = base.extend<{ stage: Stage }, { gateway: string }>({
  // One gateway for all tests of a worker …
  gateway: [
    async ({}, use) => {
      const program = spawn(process.env.FAKE_GATEWAY ?? 'babelwire-fake-gateway', {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [address] = await once(createInterface(program.stdout), 'line');
      await use(address);
      program.kill();
    },
    { scope: 'worker' },
  ],
  // … and a stage for each.
  stage: async ({ gateway }, use, { testId }) => {
    await use(new Stage(gateway, testId));
  },
});

/** The app under test: shows what comes, and dials again. */
const app = (url: string) => `
  <p role="status"></p>
  <script>
    const say = (text) => (document.querySelector('p').textContent = text);
    const dial = () => {
      const socket = new WebSocket('${url}');
      socket.onmessage = ({ data }) => say(data);
      socket.onclose = ({ code }) => {
        say('lost: ' + code);
        setTimeout(dial, 200);
      };
      socket.onopen = () => say('connected');
    };
    dial();
  </script>`;

test('the page says that the connection is lost, and comes back', async ({ page, stage }) => {
  await page.setContent(app(stage.url));
  await expect(page.getByRole('status')).toHaveText('connected');
  await stage.post('broadcast', 'hello');
  await expect(page.getByRole('status')).toHaveText('hello');

  // The token has expired, and until further notice nobody is let in.
  await stage.post('rules', { on: { event: 'dial' }, then: 'cut' });
  await stage.post('close', { code: 4001, reason: 'token expired' });
  await expect(page.getByRole('status')).toHaveText('lost: 1006');

  await fetch(`http://${stage.address}/_control/${stage.name}/rules`, { method: 'DELETE' });
  await expect(page.getByRole('status')).toHaveText('connected');
});
