import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { apply } from '../../../cni/plan/apply.ts';
import type { Run } from '../../../cni/plan/op.ts';
import { SUPPORTED_VERSIONS } from '../../../cni/request/version.ts';
import { BindingError } from '../../../shared/errors.ts';
import { type Call, cni } from '../../helpers/plugin/cni.ts';
import type { Section } from '../../helpers/plugin/conformance.ts';
import { traceCall } from '../../helpers/plugin/strace.ts';
import { WAY } from '../../helpers/plugin/way.ts';
import { dumpNetns, sameNetns, withPod } from '../../helpers/pod/netns.ts';
import { CHECKABLE, conf, environment, silent, succeeds } from './calls.ts';
import { binding, linkOf, onPod, withMac } from './pods.ts';

/** T1 of the tap plugin, with what a binding has no part in (addresses) left out. */
const tapLife = (cniVersion: string) =>
  onPod(async (request, netns) => {
    const versioned = (prevResult?: unknown): Call => ({
      ...request,
      conf: { cniVersion, owner: 0, group: 0, prevResult },
    });
    if (cniVersion === '1.1.0') silent(await cni('STATUS', versioned()));
    const { json } = await succeeds('ADD', versioned());
    const { address, linkinfo } = await linkOf(netns, 'tap0');
    assert.equal([linkinfo.info_kind, linkinfo.info_data.type], ['tun', 'tap']);
    assert.match(address, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    assert.equal([linkinfo.info_data.user, linkinfo.info_data.group], ['root', 'root']);
    const check = await cni('CHECK', versioned(json));
    if (cniVersion < '0.4.0') assert.is(check.json.msg, 'config version does not allow CHECK');
    else silent(check);
    for (let i = 0; i < 2; i++) silent(await cni('DEL', versioned(json)));
    assert.is(await netns.ip('-br link show type tun'), '');
  });

/** ADD of a binding with these keys; what the kernel then says of the tap. */
const tapOf = (changes: Readonly<Record<string, unknown>>) =>
  withPod('eth0', async (netns) => {
    const request = binding(netns, changes);
    await succeeds('ADD', request);
    await succeeds('CHECK', request);
    const tap = await linkOf(netns, 'tap0');
    return { mtu: tap.mtu, ...tap.linkinfo.info_data };
  });

export const TAP: Section = {
  title: '7.2 Cases of the tap plugin',
  rows: [
    ...SUPPORTED_VERSIONS.map((version) => ({
      id: `T1 ${version}`,
      requires: 'STATUS, ADD, CHECK, DEL and DEL of a tap with owner 0 and group 0.',
      shows:
        'the tap is there with both, CHECK succeeds (or is refused before 0.4.0), DEL removes it, a second DEL succeeds',
      test: () => tapLife(version),
    })),
    {
      id: 'T1 addresses',
      requires: 'The tap has the address that was delegated, the result its IP and the CNI_IFNAME.',
      inapplicable: 'the tap has no address: the guest has the pod link’s',
    },
    {
      id: 'T2',
      requires: 'With `bridge` the tap is a port of that bridge.',
      differs:
        'a tap is wired to its pod link by a redirect, so `bridge` is a key that nobody reads, and a warning says so',
      shows: 'the tap has no master and its frames go to the pod link',
      test: () =>
        onPod(async (request, netns) => {
          await netns.ip('link add br1 type bridge');
          const { stderr } = await succeeds('ADD', { ...request, conf: { bridge: 'br1' } });
          assert.equal(JSON.parse(stderr).keys, ['bridge']);
          assert.is((await linkOf(netns, 'tap0')).master, undefined);
          assert.match(await netns.tc('filter show dev tap0 ingress'), /Redirect to device eth0/);
          await succeeds('DEL', request);
          await netns.ip('link del br1');
        }),
    },
    {
      id: 'T3 mac',
      requires: 'The MAC from each source.',
      shows: 'R11.2; $.mac of the configuration is a key that nobody reads, and a warning says so',
      test: async () => {
        const { exitCode, stderr } = await withMac({ mac: '02:00:00:00:00:0f' });
        assert.equal([exitCode, JSON.parse(stderr).keys], [0, ['mac']]);
      },
    },
    {
      id: 'T3 mtu',
      requires: 'The MTU that is asked for.',
      shows: 'the pod link’s without the key, a smaller one with it; a larger one is code 7',
      test: async () => {
        assert.is((await tapOf({})).mtu, 1450);
        assert.is((await tapOf({ mtu: 68 })).mtu, 68);
        await withPod('eth0', async (netns) => {
          const { json } = await cni('ADD', binding(netns, { mtu: 1451 }));
          assert.equal(
            [json.code, json.msg],
            [7, 'Cannot read $.mtu: want at most 1450, the mtu of "eth0", got 1451'],
          );
        });
      },
    },
    {
      id: 'T3 multiQueue',
      requires: 'multiQueue makes a tap of many queues.',
      shows: 'with and without',
      test: async () => {
        assert.is((await tapOf({})).multi_queue, false);
        assert.is((await tapOf({ multiQueue: true })).multi_queue, true);
      },
    },
    {
      id: 'T3 vnet_hdr',
      requires: 'The tap has the header that virtio needs, and no packet information.',
      shows: 'vnet_hdr on, pi off, persistent',
      test: async () => {
        const { vnet_hdr, pi, persist } = await tapOf({});
        assert.equal([vnet_hdr, pi, persist], [true, false, true]);
      },
    },
    {
      id: 'T3 owner',
      requires: 'Owner and group: unset, 0, 107.',
      differs: 'unset is 107, QEMU in virt-launcher; "none" is nobody in particular',
      shows: 'unset, 0, 107, the largest id and "none"',
      test: async () => {
        const owners = async (changes: Readonly<Record<string, unknown>>) => {
          const { user, group } = await tapOf(changes);
          return [user, group].map((name) => ({ root: '0' })[String(name)] ?? name);
        };
        const unset = await owners({});
        assert.equal(await owners({ owner: 107, group: 107 }), unset);
        assert.equal(await owners({ owner: 0, group: 0 }), ['0', '0']);
        assert.equal((await owners({ owner: 4294967294, group: 4294967294 })).map(String), [
          '4294967294',
          '4294967294',
        ]);
        assert.equal(await owners({ owner: 'none', group: 'none' }), [undefined, undefined]);
      },
    },
    {
      id: 'T3 taken',
      requires: 'A name that is in use: an error, and the existing link is untouched.',
      shows: 'a veth called tap0',
      test: () =>
        onPod(async (request, netns) => {
          await netns.ip('link add tap0 type veth peer name other0');
          const before = await dumpNetns(netns);
          const { json } = await cni('ADD', request);
          assert.equal(
            [json.code, json.msg],
            [101, 'Cannot add tap "tap0": that name is taken by a veth link that Tapwire did not make'],
          );
          sameNetns(await dumpNetns(netns), before);
          await netns.ip('link del tap0');
        }),
    },
    {
      id: 'T3 rollback',
      requires: 'A failure after the tap was made leaves no tap.',
      shows: 'the kernel refuses the MTU of a tap whose pod link has a larger one than taps may have',
      test: () =>
        onPod(async (request, netns) => {
          await netns.ip('link set eth0 mtu 65535');
          assert.is((await cni('ADD', request)).json.code, 104);
          assert.is(await netns.ip('-br link show type tun'), '');
          await netns.ip('link set eth0 mtu 1450');
        }),
    },
    {
      id: 'T3 rollback order',
      requires: 'What was done is undone, newest first, also when one undo fails.',
      shows: 'in process',
      test: async () => {
        const ran: string[] = [];
        const step = (link: string) => ({
          do: { op: 'setLink', link, change: { set: 'up', on: true } } as const,
          undo: [{ op: 'setLink', link, change: { set: 'up', on: false } } as const],
        });
        const run: Run = async (levels) =>
          levels.flat().map((op) => {
            const what =
              op.op === 'setLink' && op.change.set === 'up' ? `${op.change.on ? '+' : '-'}${op.link}` : op.op;
            ran.push(what);
            return what === '+c' || what === '-b' ? new BindingError('KERNEL_REFUSED', `no ${what}`) : 'done';
          });
        const levels = ['a', 'b', 'c'].map((link) => [step(link)]);
        const error = await apply(levels, run).catch((thrown) => thrown);
        assert.equal(ran, ['+a', '+b', '+c', '-b', '-a']);
        assert.equal([error.message, error.details], ['no +c (rollback incomplete)', 'no -b']);
      },
    },
    {
      id: 'T3 tools',
      everyWay: true,
      requires: 'No program of the node is needed.',
      shows: 'every call of these tests has an empty PATH; ADD starts no other program than its own',
      test: () =>
        onPod(async (request) => {
          const { lines } = await traceCall(['execve'], environment({ CNI_NETNS: request.netns }), conf());
          const programs = lines.map((line) => /execve\("(?:[^"]*\/)?([^"]*)"/.exec(line)?.[1]);
          const own = { 'one-shot': ['node'], agent: [], fallback: ['tapwire', 'ld.so'] };
          assert.equal(programs, own[WAY]); // the agent runs all the time
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'T3 check owner',
      requires: 'CHECK finds a wrong owner.',
      shows: 'a tap of 107 where the configuration now says 0',
      test: () =>
        onPod(async (request) => {
          await succeeds('ADD', request);
          const { json } = await cni('CHECK', { ...request, conf: { ...CHECKABLE, owner: 0 } });
          assert.match(json.msg, 'tap "tap0" has owner 107 instead of 0');
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'T3 unprivileged',
      requires: 'The owner attaches to the tap without any capability, nobody else does.',
      shows: 'uid 107 with gid 107 may, uid 108 may not',
      test: () =>
        onPod(async (request, { name }) => {
          await succeeds('ADD', request);
          assert.is(await attachAs(107, name), 'attached');
          assert.match(await attachAs(108, name), /not permitted/i);
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'T3 bridge',
      requires: 'A missing bridge: an error and no tap left; CHECK finds a wrong master.',
      inapplicable: 'there is no bridge (T2)',
    },
    {
      id: 'T3 lease',
      requires: 'A failing address management leaves no tap and no lease.',
      inapplicable: 'there is no address management',
    },
  ],
};

/** Attaches to tap0 in the netns as that user, without capabilities; what came of it. */
async function attachAs(uid: number, netns: string): Promise<string> {
  // TUNSETIFF of a struct ifreq: 16 bytes of name, then IFF_TAP | IFF_NO_PI | IFF_VNET_HDR.
  const attach =
    'open(my $tun, "+<&=", 3) or die $!;' +
    'my $request = pack("a16 s x22", "tap0", 0x5002);' +
    // The agent closes its own descriptor of a new tap while the result of ADD is on its way.
    'until (ioctl($tun, 0x400454ca, $request)) {' +
    '  die $! if !$!{EBUSY} || $tries++ == 6000; select(undef, undef, undef, 0.01)' +
    '}' +
    'print "attached"';
  const drop = `--reuid ${uid} --regid ${uid} --clear-groups --inh-caps=-all --bounding-set=-all`;
  // Root opens the device, as kubelet lets a VM's container do; who may attach to the tap is
  // another matter.
  const script = `exec 3<>/dev/net/tun; exec setpriv ${drop} /usr/bin/perl -e '${attach}'`;
  const { stdout, stderr } = await execa('ip', ['netns', 'exec', netns, 'sh', '-c', script], {
    reject: false,
  });
  return stdout || stderr;
}
