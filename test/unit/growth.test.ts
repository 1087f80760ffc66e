/**
 * Input that a pod's owner can make long takes work in proportion to its length. The work is
 * counted, so that no machine is too slow for the test.
 */
import '../helpers/work.ts'; // must come before all the code that it counts
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { endsOf } from '../../cni/bindings/tap/ends.ts';
import { findUntrueClaims } from '../../cni/bindings/tap/prev-result-claims.ts';
import { encodeOp, type NetnsOp } from '../../cni/kernel/encode-op.ts';
import { newScript } from '../../cni/kernel/script.ts';
import { viewOf } from '../../cni/kernel/view.ts';
import { planDel } from '../../cni/plan/plan-del.ts';
import { indexNetns } from '../../cni/plan/seen.ts';
import { decodeNetConf } from '../../cni/request/config.ts';
import { prevResult } from '../../cni/request/prev-result.ts';
import { parseDocuments } from '../../nad/check/document.ts';
import { encodeRequests, type Query } from '../../shared/netlink/message.ts';
import type { Rtnetlink } from '../../shared/netns/netns.ts';
import { newQuestions } from '../../shared/netns/questions.ts';
import type { Address } from '../../shared/rtnetlink/address.ts';
import { allLinks } from '../../shared/rtnetlink/link.ts';
import { ingressQdiscs } from '../../shared/rtnetlink/qdisc.ts';
import { findingsOf, kubevirt, nad, vm } from '../helpers/cluster/check.ts';
import { leaf, node } from '../helpers/lab/go-xml.ts';
import {
  clsactOf,
  ETH0,
  KEY,
  LO,
  linkOf,
  NO_NFTABLES,
  OTHER,
  redirectOf,
  tapOf,
  wired,
} from '../helpers/pod/seen.ts';
import { definedAsIs } from '../helpers/sidecar/defined.ts';
import { defineInPasses } from '../helpers/sidecar/virt-launcher.ts';
import { workOf } from '../helpers/work.ts';

const test = suite('growth');

/**
 * Largest ratio of work for four times as much input: somewhat above four, because of sorting.
 * Counts are the same in each run, so that the bound can be tight.
 */
const GROWTH = 5;

const CLSACT_INGRESS = 0xfffffff2;
const TC_H_CLSACT = 0xfffffff1;
const DONE = 'done' as const;

const indices = (count: number) => Array.from({ length: count }, (_, index) => index);

async function growsInProportion(few: number, act: (count: number) => unknown): Promise<void> {
  await act(few); // runs once for what is created only once
  const [little, much] = [await workOf(() => act(few)), await workOf(() => act(4 * few))];
  assert.ok(little > few, `${little} blocks for ${few}`);
  assert.ok(much < GROWTH * little, `${little} blocks for ${few}, ${much} for ${4 * few}`);
}

/**
 * The domain of a VM with this many interfaces of slirp, each of which adds arguments and overrides
 * in every pass.
 */
async function defineMany(count: number): Promise<void> {
  const names = indices(count).map((index) => `n${index}`);
  const vmi = {
    devices: { interfaces: names.map((name) => ({ name, binding: { name: 'tapwire-slirp' } })) },
    networks: names.map((name) => ({ name, multus: { networkName: name } })),
  };
  const devices = node('devices', {}, leaf('emulator', '/usr/bin/qemu-system-x86_64'));
  const domain = node('domain', { type: 'kvm' }, leaf('name', 'lab_vm1'), devices);
  const passes = await defineInPasses(domain, {
    hook: (xml) => definedAsIs(xml, { vmi }),
    define: async (xml) => xml,
    placeholders: 0,
    keepsCommandline: true,
  });
  assert.is(passes.at(-1)?.answer.match(/id=tapwire-n/g)?.length, count);
}

test('defining a domain takes work in proportion to its interfaces', () =>
  growsInProportion(250, defineMany));

test('checking a VM takes work in proportion to its interfaces', () =>
  growsInProportion(2000, (count) => {
    const interfaces = indices(count).map((index) => ({ name: `n${index}`, masquerade: {} }));
    assert.is(findingsOf(vm({ interfaces, networks: [] })).length, count);
  }));

test('checking many networks takes work in proportion to them', () =>
  growsInProportion(500, (count) => {
    const interfaces = indices(count).map((index) => ({ name: `n${index}`, masquerade: {} }));
    const networks = indices(count).map((index) => ({ name: `n${index}`, pod: {} }));
    findingsOf(vm({ interfaces, networks }));
  }));

test('checking fields of interfaces takes work in proportion to them', () =>
  growsInProportion(500, (count) => {
    const same = { bootOrder: 1, acpiIndex: 1, pciAddress: '0000:00:01.0', macAddress: '02:00:00:00:00:01' };
    const ports = indices(count).map((index) => ({ name: `p${index}`, port: 0 }));
    const interfaces = indices(count).map((index) => ({ name: `n${index}`, sriov: {}, ...same }));
    const disks = indices(count).map((index) => ({ name: `d${index}`, bootOrder: index + 2 }));
    const [first, ...others] = interfaces;
    const networks = indices(count).map((index) => ({ name: `n${index}`, pod: {} }));
    findingsOf(vm({ interfaces: [{ ...first, ports } as object, ...others], networks, devices: { disks } }));
  }));

test('checking a cluster takes work in proportion to its VMs, NADs and bindings', () =>
  growsInProportion(100, (count) => {
    const names = indices(count).map((index) => `n${index}`);
    const plugin = (name: string) => ({
      networkAttachmentDefinition: `vms/${name}`,
      domainAttachmentType: 'tap',
    });
    const registered = kubevirt(Object.fromEntries(names.map((name) => [name, plugin(name)])));
    const vms = names.map((name) =>
      vm({ interfaces: [{ name: 'default', binding: { name } }] })
        .replace('"red"', name)
        .replace('red', name),
    );
    const nads = names.map((name) => nad(name, {}, 'vms'));
    const missing = vm({ interfaces: names.map((name) => ({ name, binding: { name: 'missing' } })) });
    findingsOf([registered, ...nads, ...nads, ...vms, missing].join(''));
  }));

test('looking for NADs of almost a name takes work in proportion to the networks', () =>
  growsInProportion(100, (count) => {
    const nads = indices(count).map((index) => nad(`lanabc${letters(index)}`, {}, 'vms'));
    const networks = indices(count).map((index) => ({
      name: `n${index}`,
      multus: { networkName: `lanxyz${letters(index)}` },
    }));
    const interfaces = networks.map(({ name }) => ({ name, bridge: {} }));
    findingsOf([...nads, vm({ interfaces, networks })].join(''));
  }));

const letters = (index: number): string =>
  String.fromCharCode(...[...`${index}`.padStart(5, '0')].map((digit) => 97 + Number(digit)));

for (const [why, text] of [
  [
    'keys',
    (count: number) =>
      indices(count)
        .map((index) => `k${index}: 1\n`)
        .join(''),
  ],
  ['duplicate keys', (count: number) => 'a: 1\n'.repeat(count)],
  ['documents', (count: number) => 'a: 1\n---\n'.repeat(count)],
  ['separators', (count: number) => '---\n'.repeat(count)],
  ['JSON objects', (count: number) => '{"a": 1}\n'.repeat(count)],
  ['items', (count: number) => '- a\n'.repeat(count)],
  ['blank lines', (count: number) => `a: 1${'\n'.repeat(count)}b: 2`],
  [
    'items of a list of kubectl',
    (count: number) => `apiVersion: v1\nitems:\n${'- a: 1\n'.repeat(count)}kind: List\n`,
  ],
  [
    'anchors',
    (count: number) =>
      indices(count)
        .map((index) => `- &a${index} x\n`)
        .join(''),
  ],
  ['open quotes', (count: number) => `{${'"\\"'.repeat(count)}`],
  ['lines between quotes', (count: number) => `a: '${'x\n'.repeat(count)}'`],
] as const) {
  test(`reading YAML takes work in proportion to its ${why}`, () =>
    growsInProportion(1000, (count) => parseDocuments('f', text(count))));
}

/** A netns with this many links, each with a qdisc and a redirect that looks like Tapwire's. */
function manyLinks(count: number) {
  const links = [LO, ETH0, tapOf(), ...indices(count).map((index) => linkOf(index + 4, `v${index}`))];
  const ifindexes = links.map(({ ifindex }) => ifindex);
  return {
    links,
    qdiscs: ifindexes.map(clsactOf),
    filters: ifindexes.map((ifindex) => redirectOf(ifindex, 3)),
  };
}

/** Gives these links in reply to the queries of `observe()`. */
function netnsWith({ links, qdiscs, filters }: ReturnType<typeof manyLinks>): Rtnetlink {
  const bySide = new Map(filters.map((filter) => [filter.ifindex, filter]));
  const { rules: _, ...tables } = NO_NFTABLES;
  const answer = (query: Query<unknown>): unknown => {
    if (query === allLinks) return links;
    if (query === ingressQdiscs) return qdiscs;
    const [, ifindex = 0, , parent] = query.request.body;
    if (ifindex === 0) return tables;
    return parent === CLSACT_INGRESS ? [bySide.get(ifindex)] : [];
  };
  const look = async (...queries: readonly Query<unknown>[]) => ({
    answers: queries.map(answer),
    unsettled: null,
    tcx: [],
  });
  return { look } as unknown as Rtnetlink;
}

test('DEL takes work in proportion to the links, qdiscs and filters of the pod', () =>
  growsInProportion(250, async (count) => {
    const view = viewOf(netnsWith(manyLinks(count)), { candidates: ['u32'], guardForms: [] }, () => null);
    const ops = planDel(KEY, await view.observe());
    assert.is(ops.filter(({ op }) => op === 'deleteRedirect').length, count + 2);
    const script = newScript();
    for (const op of ops as readonly NetnsOp[]) {
      assert.ok(view.knows(op));
      const part = encodeOp(op, view.known(op));
      if (part !== null) script.add(op, part);
    }
    const outcomes = script.parts.map((part) =>
      (part.part === 'change' ? part.requests : [part]).map(() => DONE),
    );
    assert.ok(script.outcomesOf(outcomes).every((outcome) => outcome === DONE));
  }));

test('ADD and CHECK take work in proportion to the links, qdiscs and filters of the pod', () =>
  growsInProportion(250, async (count) => {
    const seen = indexNetns(
      await viewOf(
        netnsWith(manyLinks(count)),
        { candidates: ['u32'], guardForms: [] },
        () => null,
      ).observe(),
    );
    const pod = endsOf({ key: KEY, podLink: 'eth0', tap: 'tap0' }, seen);
    assert.is(pod.strays.length, count + 1, 'lo has one, too');
  }));

test('ADD takes work in proportion to the filters of the pod link', () =>
  growsInProportion(500, (count) => {
    const filters = indices(count).map((index) => ({ ...redirectOf(2, 3, OTHER), pref: 1 + index }));
    const ends = endsOf({ key: KEY, podLink: 'eth0', tap: 'tap0' }, indexNetns({ ...wired(), filters }));
    assert.is(ends.pod?.conflicts.length, count);
  }));

test('decoding replies takes work in proportion to the queries and their replies', () =>
  growsInProportion(250, async (count) => {
    const body = [0, 0, 0, TC_H_CLSACT, 0];
    const replies = indices(count).flatMap((index) => [
      { seq: 1, type: 36, body },
      { seq: index + 2, type: 36, body },
      { seq: index + 2, type: 3, body: [0] },
    ]);
    const bytes = replies.map((reply) => encodeRequests([{ ...reply, flags: 0 }], reply.seq));
    const end = encodeRequests([{ type: 3, flags: 0, body: [0] }], 1);
    const buffer = Buffer.concat([...bytes, end].map((words) => Buffer.from(words.buffer)));
    const queries = Array(count + 1).fill(ingressQdiscs);
    const reply = await newQuestions(queries, 1, 2 ** 20).read([buffer, null]);
    assert.ok(!(reply instanceof Error));
    assert.equal(
      reply.answers.map((answer) => (answer as readonly unknown[]).length),
      [count, ...Array(count).fill(1)],
    );
  }));

test("comparing prevResult takes work in proportion to the link's addresses and the claims", () =>
  growsInProportion(250, (count) => {
    const cidr = (index: number) => `10.0.${index >> 8}.${index & 255}`;
    const interfaces = [{ name: 'eth0', mac: ETH0.mac, sandbox: '/run/netns/x' }];
    const ips = indices(count).map((index) => ({ interface: 0, address: `${cidr(index)}/32` }));
    const addresses = indices(count).map(
      (index): Address => ({
        ifindex: 2,
        family: 'inet',
        local: cidr(index),
        prefixLength: 32,
        scope: 'global',
        isTentative: false,
        isPermanent: true,
      }),
    );
    const claims = prevResult('1.0.0')({ interfaces, ips }, '$.prevResult');
    assert.equal(findUntrueClaims(ETH0, claims, '/run/netns/x', addresses), []);
  }));

/** Blocks that decoding enters for an unknown key, several times what it needs. */
const WORK_PER_KEY = 8;

test('decoding a NAD takes little work for each unknown key', async () => {
  const decode = (count: number) => {
    const unknown = Object.fromEntries(indices(count).map((index) => [`unknown${index}`, index]));
    const conf = decodeNetConf({ cniVersion: '1.0.0', name: 'n', ...unknown });
    assert.is(conf.unknownKeys.length, 20);
  };
  await growsInProportion(2000, decode);
  const work = await workOf(() => decode(8000));
  assert.ok(work < WORK_PER_KEY * 8000, `${work} blocks`);
});

test('printing the lines of findings takes work in proportion to them', () =>
  growsInProportion(500, (count) => {
    const names = indices(count).map((index) => [`b${index}`, { unheardOf: 1 }]);
    assert.is(findingsOf(kubevirt(Object.fromEntries(names))).length, count);
  }));

test.run();
