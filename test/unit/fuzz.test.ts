/**
 * Every function that reads foreign input, given nonsense: it throws a BindingError or nothing,
 * quickly, and does not change the objects that all objects inherit from. FUZZ_SEED= and FUZZ_RUNS=
 * choose other inputs and more of them.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findDefects } from '../../cni/bindings/macvtap/check.ts';
import { findFloor, floorAddition } from '../../cni/bindings/tap/floor.ts';
import { SERVICE_RULES } from '../../cni/bindings/tap/service-rules.ts';
import { findSilence } from '../../cni/bindings/tap/silence.ts';
import { encodeCookie, restoreOf } from '../../cni/plan/cookie.ts';
import { describeLinkOwner, recordOf } from '../../cni/plan/ours.ts';
import { planDel } from '../../cni/plan/plan-del.ts';
import { decodeNodePolicy } from '../../cni/policy/node-policy.ts';
import { parseCniArgs } from '../../cni/request/cni-args.ts';
import { decodeNetConf, KEYS_OF_BINDING, MAX_PING_GROUP, type NetConf } from '../../cni/request/config.ts';
import { parseInput } from '../../cni/request/input.ts';
import { deviceNodeOf, masterOf } from '../../cni/request/macvtap-config.ts';
import { prevResult } from '../../cni/request/prev-result.ts';
import { parseRequest } from '../../cni/request/request.ts';
import { SUPPORTED_VERSIONS } from '../../cni/request/version.ts';
import { toErrorResult } from '../../cni/result.ts';
import { CNI_BINDINGS } from '../../shared/bindings.ts';
import { assemble } from '../../shared/bpf/assemble.ts';
import { BindingError } from '../../shared/errors.ts';
import { deviceIdsOf, isChosenIfindex, readDeviceId } from '../../shared/kubelet/device-id.ts';
import {
  attribute,
  decodeAttributes,
  inside,
  nested,
  readText,
  readU32,
  text,
  typesOf,
  u8,
  u32,
} from '../../shared/netlink/attribute.ts';
import { decodeMessages, encodeRequests } from '../../shared/netlink/message.ts';
import { COUNTER, DROP, leavesBy } from '../../shared/nftables/expression.ts';
import { ruleAddition, rulesOf } from '../../shared/nftables/rule.ts';
import { allTables, tableAddition } from '../../shared/nftables/table.ts';
import {
  encodeRecord,
  type MacvtapRecord,
  type Passage,
  type Restore,
  SPOOF_GUARDS,
} from '../../shared/record.ts';
import { formatAddress } from '../../shared/rtnetlink/address.ts';
import { decodeFilter, redirectAddition } from '../../shared/rtnetlink/filter.ts';
import { decodeLink } from '../../shared/rtnetlink/link.ts';
import { MACVTAP_MODES } from '../../shared/rtnetlink/macvtap.ts';
import { bpfFilterAddition, ruleFilterAdditions } from '../../shared/rtnetlink/rule-filter.ts';
import {
  arbitraryBytes,
  arbitraryCniArgs,
  arbitraryConf,
  arbitraryEnvironment,
  arbitraryString,
  arbitraryValue,
  mutateBytes,
  newRandom,
  type Random,
  runsOf,
  seedOf,
} from '../helpers/fuzz.ts';
import { HANG } from '../helpers/hang.ts';
import { BARE, macvtapOf, tapOf } from '../helpers/pod/seen.ts';

const test = suite('fuzzing');

const SEED = seedOf(20_260_803);
const RUNS = runsOf(140_000);

const toBytes = (words: Iterable<number>): Buffer => Buffer.from(Uint32Array.from(words).buffer);

const NEW_RULE = 6; // NFT_MSG_NEWRULE
const FLOOR = { table: 'tapwire-0', podLink: 'eth0', tap: 'tap0', serves: true, replaces: false };
const FLOOR_RULES = floorAddition(FLOOR)
  .filter(({ type }) => (type & 0xff) === NEW_RULE)
  .map(({ body }) => toBytes(body));
const PLACE = { ifindex: 3, qdisc: 'clsact', id: 0x10001 } as const;
const RULES = [
  ...ruleFilterAdditions(PLACE, SERVICE_RULES, 2, '0'.repeat(32)),
  bpfFilterAddition(PLACE, assemble(SERVICE_RULES)),
].map(({ body }) => toBytes(body));

/**
 * A subject of the test: generates one input and passes it on; returns the input for the message.
 */
type Subject = (random: Random) => readonly [input: unknown, act: () => unknown];

const SUBJECTS: Readonly<Record<string, Subject>> = {
  'parseRequest()': (random) => {
    const env = arbitraryEnvironment(random);
    const stdin = random.oneIn(3)
      ? arbitraryBytes(random)
      : Buffer.from(JSON.stringify(arbitraryConf(random)));
    return [[env, stdin.toString('latin1')], () => parseRequest(env, () => stdin)];
  },
  'parseInput()': (random) => {
    const bytes = arbitraryBytes(random);
    return [bytes.toString('latin1'), () => parseInput(bytes)];
  },
  'decodeNetConf()': (random) => {
    const conf = arbitraryConf(random);
    return [conf, () => isSane(decodeNetConf(conf))];
  },
  'decodeNetConf() of any value': (random) => {
    const value = arbitraryValue(random, 4);
    return [value, () => isSane(decodeNetConf(value))];
  },
  'decodeNetConf() of macvtap': (random) => {
    const conf = arbitraryMacvtapConf(random);
    const key = { containerId: arbitraryString(random), ifname: arbitraryString(random) };
    const act = () => {
      const deviceNode = deviceNodeOf(conf, key);
      assert.ok(deviceNode === null || isChosenIfindex(deviceNode), `device node ${deviceNode}`);
      masterOf(conf);
      isSane(decodeNetConf(conf));
    };
    return [[conf, key], act];
  },
  'device ids': (random) => {
    const valid = `${arbitraryString(random)}-${2 ** 30 + random.below(2 ** 30)}`;
    const id = random.oneIn(2) ? arbitraryString(random) : mutateBytes(random, Buffer.from(valid)).toString();
    const act = () => {
      const device = readDeviceId(id);
      if (device === null) return;
      assert.is(id, `${device.resource}-${device.ifindex}`);
      assert.ok(device.ifindex >= 2 ** 30 && device.ifindex < 2 ** 31, id);
    };
    return [id, act];
  },
  'prevResult()': (random) => {
    const value = random.oneIn(3) ? arbitraryValue(random, 4) : arbitraryConf(random)['prevResult'];
    return [value, () => prevResult(random.pick(SUPPORTED_VERSIONS))(value, '$.prevResult')];
  },
  'parseCniArgs()': (random) => {
    const args = arbitraryCniArgs(random);
    return [args, () => parseCniArgs(args)];
  },
  'decodeNodePolicy()': (random) => {
    const value = random.oneIn(2)
      ? arbitraryValue(random, 4)
      : {
          [random.pick(['tap', 'passt'])]: {
            namespaces: arbitraryValue(random, 2),
            defaultNetwork: arbitraryValue(random, 1),
          },
          macvtap: arbitraryMacvtapPolicy(random),
        };
    return [value, () => decodeNodePolicy(value, '$')];
  },
  records: (random) => {
    const key = { containerId: arbitraryString(random), ifname: arbitraryString(random) };
    const restore = arbitraryRestore(random);
    const ours = encodeRecord({
      key,
      binding: 'tap',
      podLink: 'eth0',
      mtu: random.below(70_000),
      restore,
      told: [],
      passage: arbitraryPassage(random),
    });
    const ifalias = random.oneIn(4)
      ? arbitraryString(random)
      : mutateBytes(random, Buffer.from(ours)).toString();
    const link = tapOf({ ifalias });
    return [ifalias, () => [recordOf(link, key), describeLinkOwner(link)]];
  },
  'records of macvtaps': (random) => {
    const record = arbitraryMacvtap(random);
    const ifalias = mutateBytes(random, Buffer.from(encodeRecord(record))).toString();
    const link = macvtapOf({ ifalias });
    const act = () => {
      const read = recordOf(link, record.key);
      const seen = { link, number: { major: 246, minor: 5 }, node: null };
      if (read?.binding === 'macvtap') findDefects({ ...seen, record: read });
      describeLinkOwner(link);
      planDel(record.key, { ...BARE, links: [link] });
    };
    return [ifalias, act];
  },
  'unchanged records of macvtaps': (random) => {
    const record = arbitraryMacvtap(random);
    const act = () => {
      const ifalias = encodeRecord(record);
      assert.ok(Buffer.byteLength(ifalias) <= 255, 'it fits');
      assert.equal(recordOf(macvtapOf({ ifalias }), record.key), record);
    };
    return [record, act];
  },
  'unchanged records': (random) => {
    const key = {
      containerId: 'c'.repeat(1 + random.below(400)),
      ifname: 'i'.repeat(1 + random.below(15)),
    };
    const record = {
      key,
      binding: 'tap' as const,
      podLink: 'p'.repeat(1 + random.below(15)),
      mtu: random.below(65_536),
      restore: arbitraryRestore(random),
      told: random.oneIn(4) ? null : Array.from({ length: random.below(7) }, () => 'a1b2c3'),
      passage: arbitraryPassage(random),
    };
    const act = () => {
      const ifalias = encodeRecord(record);
      assert.ok(Buffer.byteLength(ifalias) <= 255, 'it fits');
      assert.equal(recordOf(tapOf({ ifalias }), key), record);
      assert.is(recordOf(tapOf({ ifalias }), { ...key, ifname: 'other' }), null);
      assert.equal(restoreOf(encodeCookie(key, record.restore), key), record.restore);
    };
    return [record, act];
  },
  cookies: (random) => {
    const key = { containerId: arbitraryString(random), ifname: arbitraryString(random) };
    const cookie = mutateBytes(random, Buffer.from(encodeCookie(key, arbitraryRestore(random))));
    return [cookie.toString('latin1'), () => restoreOf(cookie.toString('latin1'), key)];
  },
  'netlink messages': (random) => {
    const body = [...new Uint32Array(new Uint8Array(linkBody(random)).buffer)];
    const valid = toBytes(encodeRequests([{ type: 16, flags: 0, body }], random.below(2 ** 31)));
    const bytes = random.oneIn(4)
      ? random.bytes(random.below(200))
      : mutateBytes(random, Buffer.concat([valid, valid]));
    return [
      bytes.toString('hex'),
      () => {
        for (const buffer of [bytes, ...decodeMessages(bytes).map(({ body }) => body)]) {
          const attributes = decodeAttributes(buffer);
          for (const type of typesOf(attributes)) {
            readText(attributes, type);
            readU32(attributes, type);
            typesOf(inside(attributes, type));
          }
        }
      },
    ];
  },
  'netlink links': (random) => {
    const body = mutateTail(random, linkBody(random), 16);
    return [body.toString('hex'), () => decodeLink({ body })];
  },
  'netlink filters': (random) => {
    const redirect = { from: 2, qdisc: 'clsact', to: 3, pref: 29_815, cookie: '0'.repeat(32) } as const;
    const classifier = random.pick(['matchall', 'u32'] as const);
    const body = mutateTail(random, toBytes(redirectAddition(redirect, classifier).body), 20);
    return [body.toString('hex'), () => decodeFilter({ body }, 'clsact', 'ingress')];
  },
  'nftables tables and rules': (random) => {
    const table = { family: random.pick(['inet', 'arp'] as const), name: 'tapwire-0' };
    const expressions = [...leavesBy('eth0'), COUNTER, DROP];
    const rule = { table, chain: 'output', expressions };
    const request = random.oneIn(2) ? tableAddition(table) : ruleAddition(rule);
    const body = mutateTail(random, toBytes(request.body), 4);
    const message = { type: request.type, flags: 0, seq: 1, body };
    return [
      body.toString('hex'),
      () => {
        const { tables } = allTables.decode([message]);
        const nftables = { tables, refusal: null, rules: rulesOf(table).decode([message]) };
        findSilence(table.name, ['eth0', 'tap0'], nftables, null);
      },
    ];
  },
  'nftables rules of guest services': (random) => {
    const table = { family: 'netdev', name: 'tapwire-0' } as const;
    const bodies = FLOOR_RULES.map((body) => (random.oneIn(4) ? mutateTail(random, body, 4) : body));
    const rules = () =>
      rulesOf(table).decode(bodies.map((body) => ({ type: NEW_RULE, flags: 0, seq: 1, body })));
    const act = () => findFloor(table.name, true, { tables: [table], refusal: null, rules: rules() });
    return [bodies.map((body) => body.toString('hex')).join(' '), act];
  },
  'netlink rules': (random) => {
    const body = mutateTail(random, random.pick(RULES), 20);
    return [body.toString('hex'), () => decodeFilter({ body }, 'clsact', 'ingress')];
  },
  'netlink numbers and addresses': (random) => {
    const payload = random.bytes(random.pick([4, 16]));
    return [
      payload.toString('hex'),
      () => {
        assert.type(formatAddress(payload), 'string');
        assert.type(readU32(decodeAttributes(toBytes(attribute(1, payload))), 1), 'number');
      },
    ];
  },
};

const arbitraryPassage = (random: Random): Passage => ({
  serves: random.oneIn(2),
  ipv6: random.oneIn(2),
  guard: random.pick(SPOOF_GUARDS),
});

const arbitraryRestore = (random: Random): Restore => ({
  clsact: random.oneIn(2),
  allmulti: random.oneIn(2),
  noQueue: random.oneIn(2),
  down: random.oneIn(2),
  silence: random.oneIn(2),
});

const arbitraryMacvtap = (random: Random): MacvtapRecord => ({
  key: { containerId: 'c'.repeat(1 + random.below(400)), ifname: 'i'.repeat(1 + random.below(15)) },
  binding: 'macvtap',
  lowerDevice: 'l'.repeat(1 + random.below(15)),
  mode: random.pick(MACVTAP_MODES),
  mac: '02:00:00:00:00:0a',
  mtu: random.below(65_536),
  owner: random.below(2 ** 32),
  group: random.below(2 ** 32),
  allmulticast: random.oneIn(2),
  promisc: random.oneIn(2),
});

/** A configuration with up to four odd values. */
function arbitraryMacvtapConf(random: Random): Record<string, unknown> {
  const valid: Record<string, unknown> = {
    ...{ cniVersion: '1.0.0', name: 'vm-lan', binding: 'macvtap', master: 'uplink0', mtu: 1400 },
    ...{ mac: '02:00:00:00:00:0a', queues: 2, owner: 107, group: 0, promiscMode: false },
    ...{ deviceID: deviceIdsOf('vm-lan', 1)[0], runtimeConfig: { deviceID: '' } },
  };
  for (let changes = random.below(5); changes > 0; changes--) {
    const key = random.pick([...Object.keys(valid), 'mode', 'lowerDevice', 'podLink', 'MTU']);
    if (random.oneIn(3)) delete valid[key];
    else valid[key] = arbitraryValue(random, 2);
  }
  return valid;
}

function arbitraryMacvtapPolicy(random: Random): unknown {
  const value = (valid: unknown) => (random.oneIn(6) ? arbitraryValue(random, 2) : valid);
  const lower = () => ({
    lowerDevice: value(random.pick(['uplink0', 'bond0.100'])),
    mode: value(random.pick(MACVTAP_MODES)),
    promisc: value(false),
  });
  return {
    resources: value([{ name: value('vm-lan'), capacity: value(10), ...lower() }, value(lower())]),
    masters: value([lower(), lower()]),
    kubeletDirectory: value('/var/lib/kubelet'),
  };
}

/** The kernel accepts every configuration that the decoder accepts. */
function isSane(conf: NetConf): void {
  const { group, logicNetworkName, mac } = conf;
  const ids = conf.binding === 'passt' ? [group] : [conf.owner, group];
  const max = conf.binding === 'passt' ? MAX_PING_GROUP : 2 ** 32 - 2;
  for (const id of ids) {
    assert.ok(id === null || (Number.isInteger(id) && id >= 0 && id <= max), `id ${id}`);
  }
  if (conf.binding === 'tap') {
    const { mtu, podLink } = conf;
    assert.ok(mtu === null || (Number.isInteger(mtu) && mtu >= 68 && mtu <= 65_535), `mtu ${mtu}`);
    assert.ok(podLink === null || /^[^\s/:\0]{1,15}$/.test(podLink), `podLink ${podLink}`);
  }
  if (conf.binding === 'macvtap') {
    const { master, mtu, queues, staticMac } = conf;
    assert.ok(mtu === null || (Number.isInteger(mtu) && mtu >= 68 && mtu <= 65_535), `mtu ${mtu}`);
    assert.ok(master === null || /^[^\s/:\0]{1,15}$/u.test(master), `master ${master}`);
    assert.ok(Number.isInteger(queues) && queues >= 1 && queues <= 256, `queues ${queues}`);
    assert.ok(staticMac === null || /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(staticMac), `mac ${staticMac}`);
  }
  assert.ok(logicNetworkName === null || /^[\w-]{1,253}$/.test(logicNetworkName), `${logicNetworkName}`);
  assert.ok(mac === null || /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac), `mac ${mac}`);
}

/** A tap's link as the kernel describes it. */
function linkBody(random: Random): Buffer {
  const data = nested(2, u32(1, 107), u32(2, 107), u8(3, 2), u8(6, 1), u8(7, 0));
  const attributes = [
    text(3, 'tap0'),
    attribute(1, random.bytes(6)),
    u32(4, 1500),
    text(20, arbitraryString(random)),
    nested(18, text(1, random.pick(['tun', 'ipvlan', 'netkit', 'veth', 'macvtap'])), data),
    nested(26, nested(10, attribute(2, random.bytes(4 * random.below(40))))),
  ];
  return Buffer.concat([random.bytes(16), toBytes(attributes.flat())]);
}

/** Attributes that no kernel would write, after a header of the usual size. */
const mutateTail = (random: Random, body: Buffer, header: number): Buffer =>
  Buffer.concat([body.subarray(0, header), mutateBytes(random, Buffer.from(body.subarray(header)))]);

/** Every key that objects, functions, arrays, strings and maps inherit. */
const inherited = (): string =>
  [Object, Function, Array, String, Number, Boolean, Map, Buffer]
    .flatMap(({ prototype }) => Reflect.ownKeys(prototype).map(String))
    .join();

const names = Object.keys(SUBJECTS);
for (const [index, [name, subject]] of Object.entries(SUBJECTS).entries()) {
  const runs = Math.ceil(RUNS / names.length);
  test(`${name} survives ${runs} inputs of seed ${SEED}`, () => {
    const random = newRandom(SEED + index);
    const before = inherited();
    for (let run = 0; run < runs; run++) {
      const [input, act] = subject(random);
      const started = performance.now();
      try {
        act();
      } catch (error) {
        if (!(error instanceof BindingError)) {
          const shown = JSON.stringify(input) ?? 'undefined';
          throw new Error(
            `${name}, seed ${SEED}, input ${run}: ${shown.slice(0, 2000)}: ${(error as Error).stack}`,
          );
        }
        assert.type(toErrorResult(error, '1.0.0').code, 'number');
      }
      const took = performance.now() - started;
      assert.ok(took < HANG, `${name}, seed ${SEED}, input ${run} took ${took.toFixed()} ms`);
    }
    assert.is(inherited(), before, 'nothing was added to what objects inherit from');
    assert.equal(Object.keys(Object.prototype), []);
  });
}

test('the same seed gives the same inputs', () => {
  const inputs = (seed: number) => {
    const random = newRandom(seed);
    return JSON.stringify(
      Array.from({ length: 200 }, () => [arbitraryConf(random), arbitraryEnvironment(random)]),
    );
  };
  assert.is(inputs(SEED), inputs(SEED));
  assert.is.not(inputs(SEED), inputs(SEED + 1));
});

for (const binding of CNI_BINDINGS) {
  test(`each unchanged configuration of ${binding} decodes, and together they have all of its keys`, () => {
    const random = newRandom(SEED);
    const confs = Array.from({ length: 400 }, () => arbitraryConf(random, 0))
      .filter((conf) => conf['binding'] === binding)
      // Sometimes its version differs, which no configuration may.
      .map(({ prevResult: _, ...conf }) => conf);
    for (const conf of confs) decodeNetConf(conf);
    const given = new Set(confs.flatMap((conf) => Object.keys(conf)));
    const missing = KEYS_OF_BINDING[binding].filter((key) => !given.has(key));
    assert.equal(missing, [], 'VALID of test/helpers/fuzz.ts has them');
  });
}

console.log(`@ fuzzing: FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}`);
test.run();
