import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceListOf } from '../../../../daemonset/device-plugin/device-list.ts';
import { firstIfindexOf } from '../../../../shared/kubelet/device-id.ts';

const test = suite('deviceListOf()');

test('lists the first devices of a resource, all with the health of its lower device', () => {
  const first = firstIfindexOf('lan');
  for (const [isHealthy, health] of [
    [true, 'Healthy'],
    [false, 'Unhealthy'],
  ] as const) {
    assert.equal(deviceListOf({ name: 'lan', capacity: 2 }, isHealthy), [
      { id: `lan-${first}`, health },
      { id: `lan-${first + 1}`, health },
    ]);
  }
});

test('another capacity changes no id', () => {
  const ids = (capacity: number) => deviceListOf({ name: 'lan', capacity }, true).map(({ id }) => id);
  assert.equal(ids(1024).slice(0, 100), ids(100));
  assert.is(new Set(ids(1024)).size, 1024);
});

test.run();
