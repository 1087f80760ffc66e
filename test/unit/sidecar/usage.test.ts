import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { printedFor } from '../../../sidecar/usage.ts';

const test = suite('printedFor()');

test('--version prints the version, --help every variable that the sidecar reads', () => {
  assert.is(printedFor(['--version'], '1.2.3'), '1.2.3\n');
  const help = printedFor(['--help'], '1.2.3') ?? '';
  assert.match(help, /^Usage: tapwire-sidecar /);
  assert.is(printedFor(['-h'], '1.2.3'), help);
  for (const variable of [
    ...['CONTAINER_NAME', 'NETWORK_BINDING_PLUGIN_NAME', 'TAPWIRE_BINDING', 'TAPWIRE_BINDING_NAMES'],
    ...['TAPWIRE_PASST_BACKEND', 'TAPWIRE_PLUGIN_SOCKET', 'TAPWIRE_HOOK_DIR'],
  ]) {
    assert.match(help, new RegExp(`^ {2}${variable} `, 'm'));
  }
});

for (const args of [[], ['--version', 'v1alpha3'], ['--version=v1alpha3'], ['--help', 'me'], ['serve']]) {
  test(`${JSON.stringify(args)} makes the sidecar serve, because hook sidecars get arguments meant for others`, () =>
    assert.is(printedFor(args, '1.2.3'), null));
}

test.run();
