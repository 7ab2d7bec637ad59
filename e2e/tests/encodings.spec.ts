// Texts as people really have them: in all kinds of encodings.

import iconv from 'iconv-lite';
import { expect, test } from '../fixtures.js';

const SPANISH =
  'El niño pequeño comía una manzana en el jardín. ¿Dónde está la niña? Mañana será otro día, ' +
  'y el corazón de la montaña guardará su canción. ¡Qué alegría!';
const FRENCH = 'Le garçon a mangé une pêche près de la forêt. Où êtes-vous allés ? Ça coûte 10 €, ma sœur.';
const RUSSIAN = 'Съешь же ещё этих мягких французских булок, да выпей чаю. Жили-были старик со старухой у самого синего моря.';
const JAPANESE = 'これは日本語の文章です。吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。';
const CHINESE = '这是一个用中文写的句子。我们今天去公园散步,天气很好。';
const KOREAN = '이것은 한국어로 쓴 문장입니다. 오늘은 날씨가 아주 좋습니다.';
const POLISH = 'Zażółć gęślą jaźń. Książka leży na stole, a źrebię śpi w ciepłej stajni.';
const GREEK = 'Αυτό είναι ένα κείμενο στα ελληνικά. Η θάλασσα είναι γαλάζια και ο ουρανός καθαρός.';

const cases: { encoding: string; text: string; source: string; target: string; bom?: boolean }[] = [
  { encoding: 'utf-8', text: SPANISH, source: 'es', target: 'en' },
  { encoding: 'utf-8', text: SPANISH, source: 'es', target: 'en', bom: true },
  { encoding: 'utf-16le', text: SPANISH, source: 'es', target: 'en', bom: true },
  { encoding: 'utf-16be', text: SPANISH, source: 'es', target: 'en', bom: true },
  { encoding: 'windows-1252', text: FRENCH, source: 'fr', target: 'es' },
  { encoding: 'windows-1251', text: RUSSIAN, source: 'en', target: 'es' },
  { encoding: 'koi8-r', text: RUSSIAN, source: 'en', target: 'es' },
  { encoding: 'shift_jis', text: JAPANESE, source: 'en', target: 'es' },
  { encoding: 'euc-jp', text: JAPANESE, source: 'en', target: 'es' },
  { encoding: 'gbk', text: CHINESE, source: 'en', target: 'es' },
  { encoding: 'euc-kr', text: KOREAN, source: 'en', target: 'es' },
  { encoding: 'iso-8859-2', text: POLISH, source: 'en', target: 'es' },
  { encoding: 'windows-1253', text: GREEK, source: 'en', target: 'es' },
];

for (const { encoding, text, source, target, bom = false } of cases) {
  const called = `${encoding}${bom ? ' with a byte order mark' : ''}`;
  test(`a text in ${called} is read as it was written`, async ({ babelwire, server }) => {
    const name = `${encoding}${bom ? '-bom' : ''}.txt`;
    const written = `${text}\n\n${text}\n`;
    await babelwire.open();
    await babelwire.languages(source, target);
    await babelwire.choose({ name, text: iconv.encode(written, encoding, { addBOM: bom }) });
    await babelwire.isDone(name);
    await babelwire.button(`Open ${name}`).click();
    await babelwire.view('Source');
    await expect(babelwire.reader).toContainText(text.replace(/\s+/g, ' '));

    const translation = await server.translation(name);
    const result = (await server.result(translation.id)).toString('utf8');
    expect(result).not.toContain('\uFFFD');
    expect(result.split('\n')).toHaveLength(written.split('\n').length);
    if (source === 'es') expect(result).toMatch(/boy.*apple.*garden/i);
  });
}
