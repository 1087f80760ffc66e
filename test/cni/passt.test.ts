/**
 * The passt binding as its callers see it: it changes two sysctls of the pod's netns and nothing
 * else.
 */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SUPPORTED_VERSIONS } from '../../cni/request/version.ts';
import { hashedPodIfname } from '../../shared/kubevirt/names.ts';
import { type Call, callThrough, callUnder, cni, environmentOf, netconf } from '../helpers/plugin/cni.ts';
import { callFailing } from '../helpers/plugin/strace.ts';
import { inOneWay, onlyBy, withAgentUnder } from '../helpers/plugin/way.ts';
import {
  dumpNetns,
  passtSysctls,
  sameNetns,
  setPasstSysctls,
  type TestNetns,
  withNetns,
  withPod,
} from '../helpers/pod/netns.ts';

const everyWay = suite('the passt binding');
const test = inOneWay(everyWay);

const SILENCE = { exitCode: 0, stdout: '', stderr: '', json: undefined };
const FRESH = [1024, 1, 0];
const OPEN = [0, 107, 107];
const PREV_RESULT = { prevResult: { cniVersion: '1.0.0' } };
const BLUE = hashedPodIfname('blue');

/** The call of a binding NAD. */
const passt = ({ path }: TestNetns, keys: Readonly<Record<string, unknown>> = {}): Call => ({
  netns: path,
  network: 'default',
  conf: { binding: 'passt', ...keys },
});
const checkOf = (call: Call): Call => ({ ...call, conf: { ...call.conf, ...PREV_RESULT } });

/** Asserts that ADD fails with this error and that nothing has changed. */
async function refused(call: Call, netns: TestNetns, code: number, msg: string): Promise<void> {
  const before = await passtSysctls(netns);
  const { exitCode, json } = await cni('ADD', call);
  assert.equal([exitCode, json.code, json.msg], [1, code, msg]);
  assert.equal(await passtSysctls(netns), before);
}

for (const cniVersion of SUPPORTED_VERSIONS) {
  test(`[${cniVersion}] binding: ADD prints only its version; ADD, CHECK and two DELs succeed`, () =>
    withPod('eth0', async (netns) => {
      const before = await dumpNetns(netns);
      const call = passt(netns, { cniVersion });
      assert.equal(await passtSysctls(netns), FRESH);
      for (const _ of ['first', 'again']) {
        const { stdout, stderr, exitCode } = await cni('ADD', call);
        assert.equal([stdout, stderr, exitCode], [`{"cniVersion":"${cniVersion}"}`, '', 0]);
        assert.equal(await passtSysctls(netns), OPEN);
      }
      const check = await cni('CHECK', { ...call, conf: { ...call.conf, prevResult: { cniVersion } } });
      if (cniVersion < '0.4.0') assert.is(check.json.msg, 'config version does not allow CHECK');
      else assert.equal(check, SILENCE);
      for (const _ of ['first', 'again']) assert.equal(await cni('DEL', call), SILENCE);
      sameNetns(await dumpNetns(netns), before);
      assert.equal(await passtSysctls(netns), OPEN, 'they go with the netns');
    }));

  test(`[${cniVersion}] network: ADD passes prevResult through`, () =>
    withPod(BLUE, async (netns) => {
      const before = await dumpNetns(netns);
      const prevResult = {
        cniVersion,
        interfaces: [{ name: BLUE, mac: '02:00:00:00:00:01', sandbox: netns.path }],
        ips: [{ interface: 0, address: '192.0.2.10/24', gateway: '192.0.2.1' }],
        dns: { nameservers: ['192.0.2.1'] },
        'example.org/vendor': { kept: true },
      };
      const conf = { cniVersion, binding: 'passt', prevResult };
      const call = { netns: netns.path, ifname: BLUE, conf };
      assert.equal((await cni('ADD', call)).json, prevResult);
      assert.equal(await passtSysctls(netns), OPEN);
      if (cniVersion >= '0.4.0') assert.equal(await cni('CHECK', call), SILENCE);
      assert.equal(await cni('DEL', call), SILENCE);
      sameNetns(await dumpNetns(netns), before);
    }));
}

everyWay('ADD needs no link and reports none', () =>
  withNetns(async (netns) => {
    assert.equal((await cni('ADD', passt(netns))).json, { cniVersion: '1.0.0' });
    assert.equal(await cni('CHECK', checkOf(passt(netns))), SILENCE);
    const asNetwork = { netns: netns.path, ifname: BLUE, conf: { binding: 'passt' } };
    assert.equal((await cni('ADD', asNetwork)).json, { cniVersion: '1.0.0' });
  }),
);

for (const [why, before, keys, after] of [
  ['a lower range of groups', [1024, 0, 10], {}, [0, 0, 107]],
  ['a higher range of groups', [1024, 200, 300], {}, [0, 107, 300]],
  ['all groups, as some container runtimes set it', [0, 0, 2147483647], {}, [0, 0, 2147483647]],
  ["root's VMs", FRESH, { group: 0 }, [0, 0, 0]],
  ['user namespaces', FRESH, { group: 'none' }, [0, 0, 2147483647]],
] as const) {
  test(`ADD widens the existing range and never narrows it: ${why}`, () =>
    withNetns(async (netns) => {
      await setPasstSysctls(netns, before);
      assert.is((await cni('ADD', passt(netns, keys))).exitCode, 0);
      assert.equal(await passtSysctls(netns), after);
    }));
}

test('a second attachment in the pod widens the range further, and DEL of either leaves the other working', () =>
  withPod('eth0', async (netns) => {
    const first = passt(netns);
    const second = { ...passt(netns, { group: 110 }), network: 'blue', ifname: 'net2' };
    for (const call of [first, second]) assert.is((await cni('ADD', call)).exitCode, 0);
    assert.equal(await passtSysctls(netns), [0, 107, 110]);
    assert.equal(await cni('DEL', first), SILENCE);
    assert.equal(await cni('CHECK', checkOf(second)), SILENCE);
    assert.equal(await cni('DEL', second), SILENCE);
  }));

test("passt and a tap in one pod do not touch each other's settings", () =>
  withPod('eth0', async (netns) => {
    await netns.ip(`link add ${BLUE} type veth peer name host1`);
    await netns.ip(`link set ${BLUE} addrgenmode none`);
    const before = await dumpNetns(netns);
    const tap = { netns: netns.path, network: 'blue', ifname: 'net2' };
    assert.is((await cni('ADD', tap)).exitCode, 0);
    const wired = await dumpNetns(netns);
    assert.equal(await passtSysctls(netns), FRESH, 'a tap needs none');
    const call = passt(netns);
    assert.is((await cni('ADD', call)).exitCode, 0);
    for (const attachment of [tap, call]) assert.equal(await cni('CHECK', checkOf(attachment)), SILENCE);
    assert.equal(await cni('DEL', call), SILENCE);
    sameNetns(await dumpNetns(netns), wired);
    assert.equal(await cni('DEL', tap), SILENCE);
    sameNetns(await dumpNetns(netns), before);
    assert.equal(await passtSysctls(netns), OPEN);
  }));

everyWay('CHECK names a range that was narrowed after ADD, and ADD widens it again', () =>
  withNetns(async (netns) => {
    const call = passt(netns);
    await cni('ADD', call);
    await setPasstSysctls(netns, [1024, 108, 200]);
    const { exitCode, json } = await cni('CHECK', checkOf(call));
    assert.equal(
      [exitCode, json.code, json.msg],
      [
        1,
        106,
        'Cannot confirm what passt needs: net.ipv4.ip_unprivileged_port_start is "1024" instead of "0"; ' +
          'net.ipv4.ping_group_range is "108 200" instead of "107 200"',
      ],
    );
    await cni('ADD', call);
    assert.equal(await cni('CHECK', checkOf(call)), SILENCE);
    assert.equal((await cni('CHECK', call)).json.msg, 'Required prevResult missing');
  }),
);

everyWay('DEL succeeds if the netns is gone, and ADD and CHECK report it', async () => {
  const gone = await withNetns(async (netns) => passt(netns));
  for (const call of [gone, { ...gone, netns: '' }]) assert.equal(await cni('DEL', call), SILENCE);
  for (const command of ['ADD', 'CHECK']) {
    const { json } = await cni(command, checkOf(gone));
    assert.equal(
      [json.code, json.msg],
      [8, `Cannot open netns "${gone.netns}": there is no network namespace`],
    );
  }
});

test("ADD rejects the tap's keys, and pods that the node policy file does not allow", () =>
  withNetns(async (netns) => {
    const message = 'want no such key with binding "passt", which creates no tap and changes no link';
    await refused(passt(netns, { mtu: 1400 }), netns, 7, `Cannot read $.mtu: ${message}, got 1400`);
    await refused(
      { ...passt(netns), nodeFile: { passt: { namespaces: ['other'] }, tap: { namespaces: ['vms'] } } },
      netns,
      107,
      'Cannot wire pods of namespace "vms": $.passt.namespaces of /etc/tapwire/node.json on this node does not list it',
    );
    const eth0 = { ...passt(netns), ifname: 'eth0' };
    await refused(
      { ...eth0, nodeFile: { tap: { defaultNetwork: true } } },
      netns,
      107,
      'Cannot wire "eth0" as a network: every program in the pods of this network could bind privileged ports; ' +
        "name this NetworkAttachmentDefinition in the KubeVirt CR's network.binding, " +
        'or set $.passt.defaultNetwork in /etc/tapwire/node.json on the node',
    );
    assert.is((await cni('ADD', { ...eth0, nodeFile: { passt: { defaultNetwork: true } } })).exitCode, 0);
  }));

// ---- when the kernel fails

const addFailing = (inject: readonly string[], call: Call, under: readonly string[] = []) =>
  callFailing(inject, environmentOf('ADD', call), JSON.stringify(netconf(call)), under);

/** Calls ADD under a command line that changes its view of the system. */
const addUnder = (under: readonly string[], call: Call) =>
  callUnder(under, environmentOf('ADD', call), JSON.stringify(netconf(call)));

const PORTS = 'ip_unprivileged_port_start';
const PINGS = 'ping_group_range';
for (const [syscall, sysctl, errno, message] of [
  ['openat', PORTS, 'EACCES', `Cannot read net.ipv4.${PORTS}: open: Permission denied`],
  ['openat', PINGS, 'EACCES', `Cannot read net.ipv4.${PINGS}: open: Permission denied`],
  ['write', PORTS, 'EIO', `Cannot set net.ipv4.${PORTS} to "0": write: Input/output error`],
  ['write', PINGS, 'EIO', `Cannot set net.ipv4.${PINGS} to "107 107": write: Input/output error`],
] as const) {
  test(`ADD reports that ${syscall} of ${sysctl} fails, and changes nothing`, () =>
    withNetns(async (netns) => {
      const inject = ['-e', `trace=${syscall}`, '-e', `inject=${syscall}:error=${errno}`];
      const path = `/proc/sys/net/ipv4/${sysctl}`;
      const { exitCode, json } = await addFailing([...inject, '-P', path], passt(netns));
      assert.equal([exitCode, json.code, json.msg], [1, 104, message]);
      assert.equal(await passtSysctls(netns), FRESH);
    }));
}

/** Runs ADD as the agent's container does, with only that container's capabilities. */
const CAPABILITIES = '--bounding-set -all,+net_admin,+sys_admin --inh-caps -all --no-new-privs';
const mounted = (mounts: string): readonly string[] => [
  ...['/usr/bin/env', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', '/usr/bin/unshare', '--mount'],
  ...['/bin/sh', '-ec', `${mounts}; exec setpriv ${CAPABILITIES} -- "$@"`, 'sh'],
];
const READ_ONLY = mounted('mount -o bind,ro /proc/sys /proc/sys');

for (const [why, under] of [
  ['read-only', READ_ONLY],
  ['masked', mounted('mount -t tmpfs none /proc/sys')],
] as const) {
  everyWay(`ADD succeeds through a procfs of its own if /proc/sys is ${why}`, () =>
    withNetns(async (netns) => {
      const { exitCode, stdout } = await addUnder(under, passt(netns));
      assert.equal([exitCode, stdout], [0, '{"cniVersion":"1.0.0"}']);
      assert.equal(await passtSysctls(netns), OPEN);
    }),
  );
}

everyWay('ADD says what it needs if /proc/sys is read-only and the kernel has no other way', () =>
  withNetns(async (netns) => {
    const inject = ['-e', 'trace=fsopen', '-e', 'inject=fsopen:error=ENOSYS'];
    const { exitCode, json } = await addFailing(inject, passt(netns), READ_ONLY);
    assert.equal(
      [exitCode, json.code, json.msg],
      [
        1,
        104,
        `Cannot set net.ipv4.${PORTS} to "0": /proc/sys is read-only here, and Tapwire cannot ` +
          'make a procfs: Function not implemented; grant CAP_SYS_ADMIN on Linux 5.2 or newer, or mount /proc/sys writable',
      ],
    );
    assert.equal(await passtSysctls(netns), FRESH);
  }),
);

// A program that ends can leave nothing behind.
onlyBy(['agent'], everyWay)('ADD leaves no mount and no descriptor if /proc/sys is read-only', () =>
  withAgentUnder(READ_ONLY, async (agent) => {
    // Except for network namespaces, which other tests on this machine create meanwhile.
    const mounts = () =>
      readFileSync(`/proc/${agent.pid}/mountinfo`, 'utf8')
        .split('\n')
        .filter((line) => !line.includes(' - nsfs '));
    const before = mounts();
    for (let i = 0; i < 10; i++) {
      await withNetns(async (netns) => {
        const call = passt(netns);
        const input = JSON.stringify(netconf(call));
        assert.is((await callThrough([], environmentOf('ADD', call), input, agent)).exitCode, 0);
      });
    }
    assert.equal(mounts(), before);
  }),
);

everyWay.run();
