/**
 * Tapwire reads MACs, absent values and results as the Go programs that send them. And it wires a
 * pod link only for the network that the link belongs to.
 */
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hashedPodIfname, secondaryTapIfname } from '../../shared/kubevirt/names.ts';
import { type Call, cni } from '../helpers/plugin/cni.ts';
import { inOneWay } from '../helpers/plugin/way.ts';
import { dumpNetns, sameNetns, type TestNetns, withPod } from '../helpers/pod/netns.ts';

const everyWay = suite('values as Go programs send them');
const test = inOneWay(everyWay);

const RED = hashedPodIfname('red');
const TAP = secondaryTapIfname(RED);
type Conf = NonNullable<Call['conf']>;

async function succeeds(command: string, call: Call) {
  const given = await cni(command, call);
  assert.is(given.exitCode, 0, `${command}: ${given.stdout}`);
  return given;
}

async function rejects(command: string, call: Call): Promise<{ code: number; msg: string }> {
  const { exitCode, json } = await cni(command, call);
  assert.is(exitCode, 1, `${command} is rejected`);
  return json;
}

const macOf = async ({ ip }: TestNetns): Promise<string> =>
  JSON.parse(await ip(`-j link show ${RED}`))[0].address;
const recordOf = async ({ ip }: TestNetns): Promise<string> =>
  JSON.parse(await ip(`-j link show ${TAP}`))[0].ifalias;
const warningsOf = (stderr: string): string[] =>
  stderr
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).message);

/** A call from a network's own NAD, where CNI_IFNAME is the pod link. */
const network = (netns: TestNetns, conf: Conf = {}): Call => ({ netns: netns.path, ifname: RED, conf });

const ARGS = 'IgnoreUnknown=true;K8S_POD_NAMESPACE=vms;K8S_POD_NAME=vm1';
const WAYS_TO_ASK: Readonly<Record<string, (netns: TestNetns, mac: string) => Call>> = {
  runtimeConfig: (netns, mac) => network(netns, { runtimeConfig: { mac } }),
  'args.cni': (netns, mac) => network(netns, { args: { cni: { mac } } }),
  CNI_ARGS: (netns, mac) => ({ ...network(netns), env: { CNI_ARGS: `${ARGS};MAC=${mac}` } }),
};

const FORMS = ['02-00-00-00-00-77', '02-00-00-00-00-AB', '0200.0000.0077', '02:00:00:00:00:AB'];
const canonical = (form: string): string => (form.toLowerCase().match(/[0-9a-f]{2}/g) ?? []).join(':');

for (const [how, call] of Object.entries(WAYS_TO_ASK)) {
  test(`ADD compares a requested MAC (${how}) by value, in every notation`, () =>
    withPod(RED, async (netns) => {
      await netns.ip(`link set ${RED} address 02:00:00:00:00:99`);
      for (const form of FORMS) {
        const { code, msg } = await rejects('ADD', call(netns, form));
        assert.is(code, 7);
        assert.match(
          msg,
          `Cannot wire "${RED}": it has 02:00:00:00:00:99 as its MAC, want ${canonical(form)};`,
        );
      }
      for (const form of FORMS) {
        await netns.ip(`link set ${RED} address ${canonical(form)}`);
        await succeeds('ADD', call(netns, form));
      }
    }));
}

const ZEROS: readonly Conf[] = [
  { runtimeConfig: { mac: '' } },
  { runtimeConfig: { mac: '', ips: [], infinibandGUID: '', deviceID: '', portMappings: null, dns: {} } },
  { args: { cni: { mac: '', ips: null, labels: [] } } },
  { args: null, runtimeConfig: {}, capabilities: null },
  { deviceID: '', pciBusID: '' },
  { mtu: 0 },
  { selinuxContext: '' },
  { guestAddresses: '', spoofGuard: '' },
  { guestAddresses: null, spoofGuard: null },
  { guestAddresses: 'network', spoofGuard: 'off' },
  { podLink: '', network: '', binding: '', owner: '', group: '' },
  { ipam: {}, dns: {} },
];

everyWay(
  'ADD treats zero values as absent in every key, logs no warning, and a second ADD changes nothing',
  () =>
    withPod(RED, async (netns) => {
      await succeeds('ADD', network(netns));
      const wired = await dumpNetns(netns);
      for (const conf of ZEROS) {
        const { stderr } = await succeeds('ADD', network(netns, conf));
        assert.is(stderr, '', JSON.stringify(conf));
      }
      sameNetns(await dumpNetns(netns), wired);
    }),
);

test('ADD treats zero values in prevResult as absent, and returns prevResult unchanged', () =>
  withPod(RED, async (netns) => {
    const mac = await macOf(netns);
    for (const result of [
      {
        interfaces: [{ name: RED, mac, sandbox: netns.path }],
        ips: [{ version: '4', interface: -1, address: '10.90.0.5/24' }],
        dns: {},
      },
      { interfaces: null, ips: null, routes: null, dns: null },
      { interfaces: [{ name: RED, mac: '', sandbox: '' }], ips: [], routes: [{ dst: '0.0.0.0/0', gw: '' }] },
      { interfaces: [null, { name: RED, mac, sandbox: netns.path }] },
    ]) {
      const prevResult = { cniVersion: '0.4.0', ...result };
      const call = network(netns, { cniVersion: '0.4.0', prevResult });
      const { json, stderr } = await succeeds('ADD', call);
      assert.equal([json, stderr], [prevResult, '']);
      await succeeds('CHECK', call);
      await succeeds('DEL', call);
    }
  }));

/** A prevResult that claims this MAC and these addresses for the pod link. */
const claiming = (netns: TestNetns, { mac = '', addresses = [] as readonly string[] }) => ({
  cniVersion: '1.0.0',
  interfaces: [{ name: 'br0' }, { name: RED, sandbox: netns.path, ...(mac === '' ? {} : { mac }) }],
  ips: addresses.map((address) => ({ interface: 1, address })),
});

for (const [why, claim] of [
  ['the MAC', (mac: string) => ({ mac })],
  ['the MAC in capitals', (mac: string) => ({ mac: mac.toUpperCase() })],
  ['the MAC with dashes', (mac: string) => ({ mac: mac.replaceAll(':', '-') })],
  ['no MAC', () => ({})],
  ['an address', (mac: string) => ({ mac, addresses: ['192.0.2.10/24', '2001:DB8:0::10/64'] })],
] as const) {
  test(`ADD logs no warning and CHECK succeeds for a correct prevResult with ${why}`, () =>
    withPod(RED, async (netns) => {
      const call = network(netns, { prevResult: claiming(netns, claim(await macOf(netns))) });
      assert.is((await succeeds('ADD', call)).stderr, '');
      assert.match(await recordOf(netns), / told=0$/);
      await succeeds('CHECK', call);
    }));
}

test('ADD warns of a wrong prevResult but wires; CHECK succeeds, and later reports lost addresses', () =>
  withPod(RED, async (netns) => {
    const before = await dumpNetns(netns);
    const mac = await macOf(netns);
    const addresses = ['10.77.0.9/24', '192.0.2.10/24'];
    const prevResult = claiming(netns, { mac: '02:00:00:00:00:55', addresses });
    const call = network(netns, { prevResult });
    const { json, stderr } = await succeeds('ADD', call);
    assert.equal(json, prevResult, 'ADD returns prevResult unchanged');
    const [ofMac, ofAddress = '', ...others] = warningsOf(stderr);
    const says = `prevResult says that pod link "${RED}" has`;
    assert.is(ofMac, `${says} MAC 02:00:00:00:00:55, but it has ${mac}; CHECK expects what ADD found`);
    assert.match(ofAddress, `${says} address 10.77.0.9/24, but it has 192.0.2.10/24, 2001:db8::10/64`);
    assert.equal(others, []);
    const record = await recordOf(netns);
    assert.match(record, / told=[0-9a-f]{6},[0-9a-f]{6}$/);
    await succeeds('CHECK', call);

    await succeeds('ADD', call);
    assert.is(await recordOf(netns), record, 'a second ADD changes nothing');

    await netns.ip(`addr del 192.0.2.10/24 dev ${RED}`);
    await netns.ip(`link set ${RED} address 02:00:00:00:00:66`);
    const { code, msg } = await rejects('CHECK', call);
    const lost = `pod link "${RED}" has lost its address 192.0.2.10/24`;
    const changed = `pod link "${RED}" has MAC 02:00:00:00:00:66 instead of 02:00:00:00:00:55`;
    assert.equal([code, msg], [106, `Cannot confirm the wiring of "${RED}": ${changed}; ${lost}`]);

    await netns.ip(`link set ${RED} address ${mac}`);
    await netns.ip(`addr add 192.0.2.10/24 dev ${RED}`);
    await netns.ip('route replace default via 192.0.2.1');
    await succeeds('CHECK', call);
    await succeeds('DEL', call);
    sameNetns(await dumpNetns(netns), before);
  }));

test('CHECK does not require what prevResult claims if an older ADD wired the pod without comparing', () =>
  withPod(RED, async (netns) => {
    const prevResult = claiming(netns, { mac: '02:00:00:00:00:55', addresses: ['10.77.0.9/24'] });
    const call = network(netns, { prevResult });
    await succeeds('ADD', call);
    const older = (await recordOf(netns)).replace(/ told=.*$/, '');
    await execa('ip', ['-n', netns.name, 'link', 'set', TAP, 'alias', older]);
    assert.is(await recordOf(netns), older);
    await succeeds('CHECK', call);
    await netns.ip(`link set ${TAP} down`);
    assert.match((await rejects('CHECK', call)).msg, `tap "${TAP}" is down`);
  }));

const BINDING = (netns: TestNetns, name: string, ifname: string, conf: Conf = {}): Call => ({
  netns: netns.path,
  ifname,
  network: name,
  conf,
});
const SECONDARY = { network: 'secondary' };

test('"network": "secondary" rejects a network without a link of its own, and the pod stays as it is', () =>
  withPod('eth0', async (netns) => {
    const before = await dumpNetns(netns);
    const { code, msg } = await rejects('ADD', BINDING(netns, 'red', 'net1', SECONDARY));
    assert.is(code, 100);
    assert.match(
      msg,
      `Cannot wire network "red": there is no pod link "${RED}", and with "network": "secondary"`,
    );
    sameNetns(await dumpNetns(netns), before);
    await succeeds('DEL', BINDING(netns, 'red', 'net1', SECONDARY));
    sameNetns(await dumpNetns(netns), before);
  }));

everyWay('"network": "secondary" wires a network with a link of its own, as a binding and as a network', () =>
  withPod(RED, async (netns) => {
    await netns.ip('link add eth0 type veth peer name host1');
    const before = await dumpNetns(netns);
    for (const call of [BINDING(netns, 'red', 'net1', SECONDARY), network(netns, SECONDARY)]) {
      const prevResult = (await succeeds('ADD', call)).json;
      assert.match(await recordOf(netns), ` link=${RED} `);
      await succeeds('CHECK', { ...call, conf: { ...SECONDARY, prevResult } });
      await succeeds('DEL', call);
      sameNetns(await dumpNetns(netns), before);
    }
  }),
);

test('ADD rejects a second binding for the primary link and names both, and the first one keeps working', () =>
  withPod('eth0', async (netns) => {
    const first = BINDING(netns, 'default', 'net1');
    const prevResult = (await succeeds('ADD', first)).json;
    const wired = await dumpNetns(netns);
    const { code, msg } = await rejects('ADD', BINDING(netns, 'red', 'net2'));
    assert.is(code, 101);
    assert.match(
      msg,
      'Cannot wire network "red" ("net2") to "eth0": attachment "net1" of this pod has wired "eth0" to "tap0" already; ' +
        `network "red" has no link "${RED}" of its own in the pod, so it was taken for the primary one: `,
    );
    await succeeds('DEL', BINDING(netns, 'red', 'net2'));
    sameNetns(await dumpNetns(netns), wired);
    await succeeds('ADD', first);
    sameNetns(await dumpNetns(netns), wired, 'a second ADD of the same attachment is accepted');
    await succeeds('CHECK', { ...first, conf: { prevResult } });
  }));

test('ADD rejects a binding for a network that its own NAD has wired already', () =>
  withPod(RED, async (netns) => {
    await succeeds('ADD', network(netns));
    const { code, msg } = await rejects('ADD', BINDING(netns, 'red', 'net2'));
    assert.is(code, 101);
    assert.match(
      msg,
      `Cannot wire network "red" ("net2") to "${RED}": attachment "${RED}" of this pod has wired "${RED}" to "${TAP}" already; run Tapwire once`,
    );
  }));

everyWay.run();
