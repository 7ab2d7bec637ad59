// A file's name is text, whatever it says.

import { expect, test } from '../fixtures.js';

const names = {
  'that climbs out of its directory': '../../../../etc/passwd.txt',
  'that climbs, in Windows\' way': '..\\..\\boot.txt',
  'that is an image with a script': '<img src=x onerror="document.title=\'owned\'">.txt',
  'that closes tags and opens a script': '"></li><script>document.title="owned"</script>.txt',
  'of 300 characters': `${'long'.repeat(74)}.txt`,
  'that turns the direction of writing': 'invoice\u202Etxt.exe',
  'with percent signs and a plus': '100%25 a+b &amp; c?d=e#f.txt',
  'in many scripts': 'Ελληνικά 中文 עברית 🙂.txt',
  'with a quote and a header break': 'a";\r\nX-Owned: 1;".txt',
};

for (const [kind, name] of Object.entries(names)) {
  test(`a name ${kind} is shown as text and does nothing`, async ({ babelwire, server, complaints }) => {
    // A name may be refused; browsers write refused requests to the console.
    complaints.networkMayFail = true;
    const { page } = babelwire;
    await babelwire.open();
    const title = await page.title();
    await babelwire.languages('en', 'es');
    // As a drop, for the file dialogue's names are the file system's.
    const dropped = await page.evaluateHandle((name) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File(['A white house.\n'], name, { type: 'text/plain' }));
      return transfer;
    }, name);
    await babelwire.button('Choose text files').dispatchEvent('drop', { dataTransfer: dropped });

    const list = page.getByRole('list', { name: 'Files' });
    const entry = list.getByRole('listitem');
    await expect(entry).toHaveCount(1);
    // Done, or refused in words.
    await expect(entry).toContainText(/Done|Failed: .*name/);
    if (await entry.getByText(/Done/).isVisible()) {
      const [translation] = await server.translations();
      if (!translation) throw new Error('the server has no translation');
      const coming = page.waitForEvent('download');
      await entry.getByRole('button', { name: /^Download / }).click();
      const filename = (await coming).suggestedFilename();
      expect(filename).not.toMatch(/[/\\\u202E\r\n]/);
      expect((await server.result(translation.id)).toString('utf8')).toBe('Una casa blanca.\n');
      const response = await server.rest(`translations/${translation.id}/result`);
      expect(response.headers.get('content-disposition')).toMatch(/^attachment/);
      expect(response.headers.has('x-owned')).toBe(false);
    }
    await expect(list.locator('img[src="x"], script')).toHaveCount(0);
    expect(await page.title()).toBe(title);
    const [box, width] = await Promise.all([entry.boundingBox(), page.evaluate(() => window.innerWidth)]);
    expect(box && box.x + box.width, 'the page does not grow sideways').toBeLessThanOrEqual(width);
  });
}
