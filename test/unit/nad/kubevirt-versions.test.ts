import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseKubevirtVersion } from '../../../nad/kubevirt-versions.ts';
import { caught } from '../../helpers/caught.ts';

const test = suite('parseKubevirtVersion()');

for (const [text, minor] of [
  ['1.1', 1],
  ['1.1.1', 1],
  ['v1.1.2', 1],
  ['1.2.0', 2],
  ['1.4', 4],
  ['v1.9.0-rc.1', 9],
  ['1.10', 10],
] as const) {
  test(text, () => assert.is(parseKubevirtVersion(text), minor));
}

for (const text of [
  '1.1.0',
  'v1.1.0',
  '1.0.1',
  '1.0',
  '0.59.0',
  '2.1',
  '1',
  '',
  'latest',
  '1.5.',
  '1.5 ',
  '1.1.0-rc.1',
]) {
  test(`rejects ${JSON.stringify(text)}`, async () => {
    const error = await caught(() => parseKubevirtVersion(text));
    const message = `Cannot read --kubevirt ${JSON.stringify(text)}: want 1.1.1 or a newer version, such as "1.9"`;
    assert.equal([error.code, error.message], ['INVALID_CONFIG', message]);
  });
}

test.run();
