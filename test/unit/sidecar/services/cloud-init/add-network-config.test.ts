import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addNetworkConfig } from '../../../../../sidecar/services/cloud-init/add-network-config.ts';
import { recordedCloudInit, withoutNetworkData } from '../../../../helpers/sidecar/cloud-init.ts';

const test = suite('addNetworkConfig()');

const BY_SOURCE = { noCloud: 'for $& "noCloud" é\n', configDrive: 'for configDrive' };
const { cloudInitData: recorded } = recordedCloudInit();
const empty = withoutNetworkData(recorded);

const added = (json: string): string | null => {
  const changed = addNetworkConfig(Buffer.from(json), BY_SOURCE);
  return changed === null ? null : Buffer.from(changed).toString();
};

test('addNetworkConfig() changes only the network data of the recorded bytes', () => {
  assert.is(added(empty), withoutNetworkData(recorded, '"NetworkData":"for $& \\"noCloud\\" é\\n"'));
});

test('addNetworkConfig() adds the data for the data source', () => {
  const changed = added(empty.replace('"noCloud"', '"configDrive"'));
  assert.is(JSON.parse(changed ?? '').NetworkData, 'for configDrive');
});

test('addNetworkConfig() keeps network data of the user', () => {
  assert.is(addNetworkConfig(recorded, BY_SOURCE), null);
  assert.is(added(withoutNetworkData(recorded, '"NetworkData":" "')), null);
  const same = `"NetworkData":${JSON.stringify(BY_SOURCE.noCloud)}`;
  assert.is(added(withoutNetworkData(recorded, same)), null);
});

test('addNetworkConfig() keeps fields, numbers and escapes that JSON.stringify would change', () => {
  const tail = '"New":9007199254740993,"b":1e400,"10":1,"2":2,"s":"\\u003ca\\/\\ud800"}';
  const changed = added(empty.replace(/}$/, `,${tail}`));
  assert.ok(changed?.endsWith(`,${tail}`));
});

for (const [why, json] of [
  ['has another data source', empty.replace('"noCloud"', '"floppy"')],
  ['has the data source of an inherited name', empty.replace('"noCloud"', '"constructor"')],
  ['has no network data', empty.replace('"NetworkData":"",', '')],
  ['has null as network data', empty.replace('"NetworkData":""', '"NetworkData":null')],
  ['has network data twice, the first empty', empty.replace(/}$/, ',"NetworkData":"mine"}')],
  ['has network data twice, both empty', empty.replace(/}$/, ',"NetworkData":""}')],
  ['is null', 'null'],
  ['is an array', '[]'],
] as const) {
  test(`addNetworkConfig() changes nothing if the source ${why}`, () => {
    assert.is(added(json), null);
  });
}

test('addNetworkConfig() never writes into user data or an object within', () => {
  const trap = JSON.stringify('"NetworkData":"" \\"NetworkData":""');
  const within = '"x":{"NetworkData":""}';
  const changed = added(empty.replace(/"UserData":"[^"]*"/, () => `"UserData":${trap}`));
  assert.is(JSON.parse(changed ?? '').UserData, JSON.parse(trap));
  assert.is(added(empty.replace('{', `{${within},`)), null);
  assert.is(JSON.parse(added(empty.replace('{', '{"a\\"NetworkData":"",')) ?? '')['a"NetworkData'], '');
});

test('addNetworkConfig() reads a megabyte of quotes', () => {
  const userData = JSON.stringify('"NetworkData":"'.repeat(50_000));
  const changed = added(empty.replace(/"UserData":"[^"]*"/, () => `"UserData":${userData}`));
  assert.is(JSON.parse(changed ?? '').NetworkData, BY_SOURCE.noCloud);
});

test.run();
