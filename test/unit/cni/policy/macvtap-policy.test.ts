import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeNodePolicy, type MacvtapPolicy } from '../../../../cni/policy/node-policy.ts';
import { firstIfindexOf } from '../../../../shared/kubelet/device-id.ts';
import { caught } from '../../../helpers/caught.ts';

const test = suite('$.macvtap of the node policy');

type Keys = Readonly<Record<string, unknown>>;

const decode = (macvtap: unknown): MacvtapPolicy => decodeNodePolicy({ macvtap }, '$').macvtap;
const rejection = async (macvtap: unknown): Promise<string> => {
  const { code, message } = await caught(() => decode(macvtap));
  assert.is(code, 'INVALID_CONFIG');
  return message;
};
const resource = (keys: Keys = {}): Keys => ({ name: 'vm-lan', lowerDevice: 'uplink0', ...keys });
const LOWER = { lowerDevice: 'uplink0', mode: 'bridge', promisc: false, allmulticast: true };

test('without the key, there are no resources and no masters', () =>
  assert.equal(decodeNodePolicy({}, '$').macvtap, {
    ...{ namespaces: null, defaultNetwork: false },
    ...{ resources: [], masters: [], kubeletDirectory: '/var/lib/kubelet' },
  }));

test('a resource and a master have defaults', () => {
  const { resources, masters } = decode({ resources: [resource()], masters: [{ lowerDevice: 'uplink0' }] });
  assert.equal(resources, [{ name: 'vm-lan', ...LOWER, capacity: 100 }]);
  assert.equal(masters, [LOWER]);
});

test('every key is read', () => {
  const keys = { lowerDevice: 'bond0.100', mode: 'vepa', promisc: true, allmulticast: false };
  const policy = {
    namespaces: ['vms'],
    defaultNetwork: true,
    resources: [{ name: 'example.org/vm_LAN.1', ...keys, capacity: 1024 }],
    masters: [keys],
    kubeletDirectory: '/var/snap/microk8s/common/var/lib/kubelet',
  };
  assert.equal(decode(policy), policy);
});

test('mode "passthru" has one device', () => {
  const own = resource({ mode: 'passthru' });
  assert.is(decode({ resources: [own] }).resources[0]?.capacity, 1);
  assert.is(decode({ resources: [{ ...own, capacity: 1 }] }).resources[0]?.capacity, 1);
});

test('two resources may have the same lower device, and another mode each', () => {
  const resources = [resource(), resource({ name: 'vm-lan-private', mode: 'private' })];
  assert.is(decode({ resources, masters: [{ lowerDevice: 'uplink0', mode: 'vepa' }] }).resources.length, 2);
});

for (const name of ['a', 'A-1_b.c', 'macvtap.network.kubevirt.io/dataplane', 'x'.repeat(52), 'a/b']) {
  test(`a resource may be called ${name}`, () =>
    assert.is(decode({ resources: [resource({ name })] }).resources[0]?.name, name));
}

const NAME =
  'Cannot read $.macvtap.resources[0].name: want a resource name of at most 52 characters such as "vm-lan", got ';
for (const name of [
  ...['', '-a', 'a-', 'a b', 'a/b/c', '/a', 'a/', 'A.b/c', 'a..b/c', '.a/b', 'a./b', 'a_b/c', '../x', 'ä'],
  ...['kubernetes.io/a', 'node.kubernetes.io/a', 'requests.example.org/a', 'a\n', 'x'.repeat(53)],
]) {
  test(`a resource cannot be called ${JSON.stringify(name)}`, async () =>
    assert.is(await rejection({ resources: [resource({ name })] }), `${NAME}${JSON.stringify(name)}`));
}

const ENTRY_KEYS = 'name, lowerDevice, mode, promisc, allmulticast, capacity';
const KUBELET = 'an absolute path such as "/var/lib/kubelet"';
for (const [macvtap, message] of [
  [[], '$.macvtap: want an object, got []'],
  [
    { resource: [] },
    '$.macvtap: want only the keys namespaces, defaultNetwork, resources, masters, kubeletDirectory, got "resource"',
  ],
  [{ resources: {} }, '$.macvtap.resources: want an array, got {}'],
  [{ resources: [null] }, '$.macvtap.resources[0]: want an object, got null'],
  [
    { resources: [resource({ Mode: 'vepa' })] },
    `$.macvtap.resources[0]: want only the keys ${ENTRY_KEYS}, got "Mode"`,
  ],
  [{ resources: [{ lowerDevice: 'eth0' }] }, '$.macvtap.resources[0].name: want a string, got nothing'],
  [{ resources: [{ name: 'a' }] }, '$.macvtap.resources[0].lowerDevice: want a string, got nothing'],
  [
    { resources: [resource({ mode: 'source' })] },
    '$.macvtap.resources[0].mode: want "private" or "vepa" or "bridge" or "passthru", got "source"',
  ],
  [{ resources: [resource({ promisc: 1 })] }, '$.macvtap.resources[0].promisc: want true or false, got 1'],
  [
    { resources: [resource({ allmulticast: 'on' })] },
    '$.macvtap.resources[0].allmulticast: want true or false, got "on"',
  ],
  ...[0, 1025, 1.5, '10', -1].map(
    (capacity) =>
      [
        { resources: [resource({ capacity })] },
        `$.macvtap.resources[0].capacity: want an integer in 1..1024, got ${JSON.stringify(capacity)}`,
      ] as const,
  ),
  [
    { resources: [resource({ mode: 'passthru', capacity: 2 })] },
    '$.macvtap.resources[0].capacity: want 1 with mode "passthru", in which one VM has the whole device, got 2',
  ],
  [{ masters: [{}] }, '$.macvtap.masters[0].lowerDevice: want a string, got nothing'],
  [
    { masters: [resource()] },
    '$.macvtap.masters[0]: want only the keys lowerDevice, mode, promisc, allmulticast, got "name"',
  ],
  [
    { masters: [{ lowerDevice: 'lo' }] },
    '$.macvtap.masters[0].lowerDevice: want the name of a link of the node (lo is not a device of a network), got "lo"',
  ],
  [
    { masters: [{ lowerDevice: '../../x' }] },
    '$.macvtap.masters[0].lowerDevice: want the name of a link of the node (interface name contains / or : or whitespace characters), got "../../x"',
  ],
  [
    { masters: [{ lowerDevice: 'sixteen-letters-' }] },
    '$.macvtap.masters[0].lowerDevice: want the name of a link of the node (interface name is too long), got "sixteen-letters-"',
  ],
  ...['', 'var/lib/kubelet', '/var/lib/../kubelet', '/var//lib', '/', '/var/lib/kubelet/', '/a b', 7].map(
    (kubeletDirectory) =>
      [
        { kubeletDirectory },
        typeof kubeletDirectory === 'string'
          ? `$.macvtap.kubeletDirectory: want ${KUBELET}, got ${JSON.stringify(kubeletDirectory)}`
          : '$.macvtap.kubeletDirectory: want a string, got 7',
      ] as const,
  ),
] as const) {
  test(`is rejected: ${JSON.stringify(macvtap)}`, async () =>
    assert.is(await rejection(macvtap), `Cannot read ${message}`));
}

const shown = (value: unknown): string => {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
};

test('two resources with one name are rejected, with and without its domain', async () => {
  const second = resource({ name: 'tapwire.io/vm-lan', lowerDevice: 'uplink1' });
  for (const [first, other] of [
    [resource(), resource()],
    [resource(), second],
  ]) {
    const got = shown({ name: other?.['name'], lowerDevice: other?.['lowerDevice'], ...LOWER_REST });
    assert.is(
      await rejection({ resources: [first, resource({ name: 'b' }), other] }),
      `Cannot read $.macvtap.resources[2]: want another name than $.macvtap.resources[0], got ${got}`,
    );
  }
});
const LOWER_REST = { mode: 'bridge', promisc: false, allmulticast: true, capacity: 100 };

test('two resources whose devices would have the same indexes are rejected', async () => {
  const [one = '', other = ''] = namesWithTheSameIndexes();
  assert.is(firstIfindexOf(one), firstIfindexOf(other));
  const got = shown({ name: other, lowerDevice: 'uplink0', ...LOWER_REST });
  assert.is(
    await rejection({ resources: [resource({ name: one }), resource({ name: other })] }),
    `Cannot read $.macvtap.resources[1]: want another name, whose interface indexes differ, than $.macvtap.resources[0], got ${got}`,
  );
});

/** Among 2^20 ranges, some two of a few thousand names have the same one. */
function namesWithTheSameIndexes(): readonly string[] {
  const names = new Map<number, string>();
  for (let i = 0; i < 20_000; i++) {
    const earlier = names.get(firstIfindexOf(`r${i}`));
    if (earlier !== undefined) return [earlier, `r${i}`];
    names.set(firstIfindexOf(`r${i}`), `r${i}`);
  }
  return [];
}

test('a lower device is a master once', async () =>
  assert.is(
    await rejection({ masters: [{ lowerDevice: 'uplink0' }, { lowerDevice: 'uplink0', mode: 'vepa' }] }),
    `Cannot read $.macvtap.masters[1]: want another lowerDevice than $.macvtap.masters[0], got ${shown({ ...LOWER, mode: 'vepa' })}`,
  ));

const PASSTHRU = { lowerDevice: 'uplink0', mode: 'passthru' };
const taken = (path: string, other: string): string =>
  `Cannot read ${path}.lowerDevice: want a device that no other entry has, because mode "passthru" takes all of it, but ${other} has it too, got "uplink0"`;
for (const [why, policy, path, other] of [
  [
    'two resources',
    { resources: [resource(), resource({ ...PASSTHRU, name: 'b' })] },
    '$.macvtap.resources[1]',
    '$.macvtap.resources[0]',
  ],
  [
    'a resource and a master',
    { resources: [resource(PASSTHRU)], masters: [{ lowerDevice: 'uplink0' }] },
    '$.macvtap.resources[0]',
    '$.macvtap.masters[0]',
  ],
  [
    'a master and a resource',
    { resources: [resource()], masters: [PASSTHRU] },
    '$.macvtap.masters[0]',
    '$.macvtap.resources[0]',
  ],
] as const) {
  test(`mode "passthru" shares its device with nothing: ${why}`, async () =>
    assert.is(await rejection(policy), taken(path, other)));
}

for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
  test(`a hostile key is rejected as any unknown key: ${key}`, async () => {
    const value = `{"name":"a","lowerDevice":"eth0"}`;
    for (const [text, path] of [
      [`{"${key}":{}}`, '$.macvtap'],
      [`{"resources":[{"name":"a","lowerDevice":"eth0","${key}":${value}}]}`, '$.macvtap.resources[0]'],
      [`{"masters":[{"${key}":"eth0"}]}`, '$.macvtap.masters[0]'],
    ] as const) {
      const message = await rejection(JSON.parse(text));
      assert.ok(message.startsWith(`Cannot read ${path}: want only the keys `), message);
      assert.ok(message.endsWith(`got "${key}"`), message);
    }
  });
}

test('a key of a prototype does not count as a key of an entry', async () => {
  const inherited = Object.create({ name: 'a', lowerDevice: 'eth0' });
  assert.is(
    await rejection({ resources: [inherited] }),
    'Cannot read $.macvtap.resources[0].name: want a string, got nothing',
  );
});

test.run();
