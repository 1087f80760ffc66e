/**
 * The plugin as a container runtime calls it: the shim in dist/, without an agent, with CNI's
 * environment and nothing else.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SUPPORTED_VERSIONS } from '../../cni/request/version.ts';
import { callProgram, callThrough, callWith, cni, netconf, newContainerId } from '../helpers/plugin/cni.ts';
import { inOneWay, onlyBy, TAPWIRE } from '../helpers/plugin/way.ts';
import { dumpNetns, sameNetns, withNetns, withPod } from '../helpers/pod/netns.ts';

const everyWay = suite('the executable');
const test = inOneWay(everyWay);

const hashed = (network: string) => `pod${createHash('sha256').update(network).digest('hex').slice(0, 11)}`;
const ENV = { CNI_CONTAINERID: 'pod1', CNI_IFNAME: 'net1', CNI_PATH: '/opt/cni/bin' };
const SILENCE = { exitCode: 0, stdout: '', stderr: '', json: undefined };

for (const cniVersion of SUPPORTED_VERSIONS) {
  everyWay(`[${cniVersion}] binding: two ADDs, CHECK and two DELs succeed on the primary network`, () =>
    withPod('eth0', async (netns) => {
      const call = {
        netns: netns.path,
        network: 'default',
        conf: { cniVersion, prevResult: { cniVersion } },
        containerId: newContainerId(),
      };
      const before = await dumpNetns(netns);
      for (const _ of ['first', 'again']) {
        const { json, exitCode, stderr } = await cni('ADD', call);
        assert.equal({ json, exitCode, stderr }, { json: { cniVersion }, exitCode: 0, stderr: '' });
      }
      const links = JSON.parse(await netns.ip('-d -j link show'));
      // biome-ignore lint/suspicious/noExplicitAny: the JSON of ip(8)
      const [tap0] = links.filter((link: any) => link.linkinfo?.info_kind === 'tun');
      const { persist, user, group } = tap0.linkinfo.info_data;
      assert.equal([tap0.ifname, tap0.mtu, persist], ['tap0', 1450, true]);
      assert.ok(user !== undefined && group !== undefined, 'it has an owner and a group');
      assert.ok(tap0.flags.includes('UP'));

      const check = await cni('CHECK', call);
      if (cniVersion < '0.4.0') assert.is(check.json.msg, 'config version does not allow CHECK');
      else assert.equal(check, SILENCE);
      assert.equal(await cni('DEL', call), SILENCE);
      sameNetns(await dumpNetns(netns), before);
      assert.equal(await cni('DEL', call), SILENCE);
    }),
  );

  test(`[${cniVersion}] network: ADD passes prevResult through`, () =>
    withPod(hashed('blue'), async (netns) => {
      const prevResult = {
        cniVersion,
        interfaces: [
          { name: 'br0' },
          { name: hashed('blue'), mac: '02:00:00:00:00:01', sandbox: netns.path },
        ],
        ips: [{ interface: 1, address: '192.0.2.10/24', gateway: '192.0.2.1' }],
        routes: [{ dst: '0.0.0.0/0' }],
        dns: { nameservers: ['192.0.2.1'] },
        'example.org/vendor': { kept: true },
      };
      const call = { netns: netns.path, ifname: hashed('blue'), conf: { cniVersion, prevResult } };
      const before = await dumpNetns(netns);
      assert.equal((await cni('ADD', call)).json, prevResult);
      assert.match(await netns.ip('link show'), /tap16477688c0e:/);
      assert.equal(await cni('DEL', call), SILENCE);
      sameNetns(await dumpNetns(netns), before);
    }));

  test(`[${cniVersion}] network: ADD wires an existing link if Tapwire is the only plugin`, () =>
    withPod(hashed('blue'), async (netns) => {
      const [{ address: mac }] = JSON.parse(await netns.ip(`-j link show dev ${hashed('blue')}`));
      const { json } = await cni('ADD', { netns: netns.path, ifname: hashed('blue'), conf: { cniVersion } });
      const old = cniVersion < '1.0.0';
      assert.equal(json, {
        cniVersion,
        interfaces: [{ name: hashed('blue'), mac, ...(old ? {} : { mtu: 1450 }), sandbox: netns.path }],
        ips: [
          { ...(old ? { version: '4' } : {}), interface: 0, address: '192.0.2.10/24' },
          { ...(old ? { version: '6' } : {}), interface: 0, address: '2001:db8::10/64' },
        ],
        ...(old ? { dns: {} } : {}),
      });
    }));
}

test('binding: ADD finds secondary networks by name, several at once, and each DEL deletes only its own wiring', () =>
  withPod('eth0', async (netns) => {
    for (const network of ['blue', 'red']) {
      await netns.ip(`link add ${hashed(network)} type veth peer name host-${network}`);
      await netns.ip(`link set ${hashed(network)} addrgenmode none`);
      await netns.ip(`link set ${hashed(network)} up`);
    }
    const before = await dumpNetns(netns);
    const calls = ['default', 'blue', 'red'].map((network, i) => ({
      netns: netns.path,
      network,
      ifname: `net${2 * i + 1}`,
    }));
    for (const call of calls) assert.is((await cni('ADD', call)).exitCode, 0);
    const ifnames = (await netns.ip('-br link show type tun')).split('\n').map((line) => line.split(' ')[0]);
    assert.equal(ifnames, ['tap0', 'tap16477688c0e', 'tapb1f51a511f1']);
    const [primary, blue, red] = calls;
    assert.ok(primary && blue && red);
    const checked = { conf: { prevResult: { cniVersion: '1.0.0' } } };
    assert.equal(await cni('DEL', blue), SILENCE);
    assert.equal(await cni('CHECK', { ...primary, ...checked }), SILENCE);
    assert.equal(await cni('CHECK', { ...red, ...checked }), SILENCE);
    for (const call of [red, primary]) assert.equal(await cni('DEL', call), SILENCE);
    sameNetns(await dumpNetns(netns), before);
  }));

test('DEL deletes nothing unless container id and ifname match the record', () =>
  withPod('eth0', async (netns) => {
    const call = { netns: netns.path, network: 'default' };
    await cni('ADD', call);
    const wired = await dumpNetns(netns);
    assert.equal(await cni('DEL', { ...call, containerId: 'pod2' }), SILENCE);
    assert.equal(await cni('DEL', { ...call, ifname: 'net2' }), SILENCE);
    sameNetns(await dumpNetns(netns), wired);

    const rollback = await cni('DEL', { netns: netns.path, ifname: '' }); // as hot-plug controllers send it
    assert.equal([rollback.json.code, rollback.json.msg], [4, 'required env variables [CNI_IFNAME] missing']);
    sameNetns(await dumpNetns(netns), wired);
  }));

everyWay('DEL succeeds if the netns is gone', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-netns-'));
  try {
    const stale = join(directory, 'stale'); // the file that a bind mount leaves
    writeFileSync(stale, '');
    const gone = await withNetns(async ({ path }) => path);
    for (const netns of ['', gone, stale, '/proc/4194305/ns/net', join(stale, 'x')]) {
      assert.equal(await cni('DEL', { netns, network: 'default' }), SILENCE, netns);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});

for (const command of ['ADD', 'DEL', 'CHECK']) {
  everyWay(`${command} rejects the host netns`, async () => {
    const { json, exitCode } = await cni(command, {
      netns: '/proc/self/ns/net',
      network: 'default',
      conf: { prevResult: { cniVersion: '1.0.0' } },
      env: { CNI_NETNS_OVERRIDE: '1' },
    });
    assert.equal(
      [exitCode, json.code, json.msg],
      [1, 8, "plugin's netns and netns from CNI_NETNS should not be the same"],
    );
  });
}

everyWay('ADD rejects a file that is not a netns', async () => {
  const { json } = await cni('ADD', { netns: '/run/netns/none', network: 'default' });
  assert.equal(
    [json.code, json.msg],
    [8, 'Cannot open netns "/run/netns/none": there is no network namespace'],
  );
});

everyWay('an error is one JSON document on stdout and one log line on stderr', () =>
  withNetns(async (netns) => {
    const { exitCode, json, stderr } = await cni('ADD', { netns: netns.path, network: 'default' });
    const msg = 'Cannot wire "tap0": no pod link "eth0"; its network must come before this attachment';
    assert.equal([exitCode, json], [1, { cniVersion: '1.0.0', code: 100, msg, details: 'links seen: lo' }]);
    const { time, ...line } = JSON.parse(stderr);
    assert.equal(line, {
      level: 'error',
      message: msg,
      command: 'ADD',
      container: 'pod1',
      ifname: 'net1',
      code: 100,
      details: 'links seen: lo',
    });
    assert.ok(Date.parse(time) > 0);
  }),
);

everyWay('VERSION needs neither stdin nor another variable', async () => {
  const { json, exitCode } = await callWith({ CNI_COMMAND: 'VERSION' }, '');
  assert.equal([exitCode, json], [0, { cniVersion: '1.1.0', supportedVersions: [...SUPPORTED_VERSIONS] }]);
});

everyWay('STATUS and GC succeed silently', async () => {
  const input = JSON.stringify(netconf({ conf: { cniVersion: '1.1.0', 'cni.dev/valid-attachments': [] } }));
  for (const CNI_COMMAND of ['STATUS', 'GC']) {
    assert.equal(await callWith({ CNI_COMMAND, CNI_PATH: '/opt/cni/bin' }, input), SILENCE);
  }
});

everyWay('a result that cannot be written is reported in the log and by the exit status', () =>
  withPod('eth0', async (netns) => {
    const env = { ...ENV, CNI_COMMAND: 'ADD', CNI_NETNS: netns.path };
    const input = JSON.stringify(netconf({ network: 'default' }));
    const through = ['/bin/sh', '-c', 'exec "$@" > /dev/full', 'sh'];
    const { exitCode, stderr } = await callThrough(through, env, input);
    assert.is(exitCode, 1);
    assert.match(JSON.parse(stderr).message, /^Cannot write the result: ENOSPC/);
  }),
);

everyWay("CNI's variables arrive among any number of others", () =>
  withPod('eth0', async (netns) => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`CNI_A${i}`, 'x']));
    const env = { ...many, ...ENV, CNI_COMMAND: 'ADD', CNI_NETNS: netns.path };
    const { json } = await callWith(env, JSON.stringify(netconf({ network: 'default' })));
    assert.equal(json, { cniVersion: '1.0.0' });
  }),
);

onlyBy(['fallback'], everyWay)(
  'the executable runs from any directory that it is copied to, and names missing files',
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tapwire "copy" '));
    try {
      for (const name of ['tapwire', '.tapwire'])
        await execa('cp', ['-rL', join(dirname(TAPWIRE), name), directory]);
      const copy = join(directory, 'tapwire');
      const env = { CNI_COMMAND: 'VERSION' };
      assert.is((await callProgram(copy, env)).json.cniVersion, '1.1.0');
      for (const name of ['tapwire.node', 'package.json', 'index.js', 'node', 'lib/ld.so']) {
        rmSync(join(directory, '.tapwire', name));
        const { exitCode, json } = await callProgram(copy, env);
        assert.equal([exitCode, json.code], [1, 5]);
        assert.match(json.msg, new RegExp(`^Cannot run ".*/\\.tapwire/${name}": No such file or directory$`));
      }
      rmSync(join(directory, '.tapwire'), { recursive: true });
      const { json } = await callProgram(copy, env);
      assert.equal([json.code, json.cniVersion], [11, '1.0.0']);
      assert.match(
        json.msg,
        /^Cannot run VERSION: there is no agent at ".+" and no fallback at ".*\/\.tapwire"$/,
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
);

// Container runtimes call the shim, which never passes such a call to the bundle.
const byShim = onlyBy(['agent', 'fallback'], everyWay);

byShim('the shim describes itself if there is no command', async () => {
  const { exitCode, stdout, stderr } = await callWith({}, '');
  assert.equal([exitCode, stdout], [0, '']);
  assert.match(
    stderr,
    /^CNI plugin tapwire v\d+\.\d+\.\d+: .+\nCNI protocol versions supported: 0\.3\.0, .*1\.1\.0$/,
  );
});

everyWay('unknown keys give one warning on stderr', () =>
  withPod('eth0', async (netns) => {
    const { exitCode, stderr } = await cni('ADD', {
      netns: netns.path,
      network: 'default',
      conf: { mut: 1400, ipam: { type: 'x' }, dns: {} },
    });
    const { level, message, keys } = JSON.parse(stderr);
    assert.equal([exitCode, level, message], [0, 'warn', 'Ignored unknown keys of network "tapwire-tap"']);
    assert.equal(keys, ['mut', 'ipam']);
  }),
);

test("CHECK rejects a call without ADD's result", () =>
  withPod('eth0', async (netns) => {
    const { json } = await cni('CHECK', { netns: netns.path, network: 'default' });
    assert.equal([json.code, json.msg], [7, 'Required prevResult missing']);
  }));

test('ADD rejects a MAC that the pod link does not have', () =>
  withPod(hashed('blue'), async (netns) => {
    const [{ address: mac }] = JSON.parse(await netns.ip(`-j link show dev ${hashed('blue')}`));
    const call = { netns: netns.path, ifname: hashed('blue') };
    const asked = { runtimeConfig: { mac: '02:00:00:00:00:99' } };
    const { json } = await cni('ADD', { ...call, conf: asked });
    assert.is(json.code, 7);
    assert.match(json.msg, /^Cannot wire "pod16477688c0e": it has \S+ as its MAC, want 02:00:00:00:00:99;/);
    assert.is(
      (await cni('ADD', { ...call, conf: { runtimeConfig: { mac: mac.toUpperCase() } } })).exitCode,
      0,
    );
  }));

byShim("the caller's own environment does not reach Node", async () => {
  const env = { CNI_COMMAND: 'VERSION', NODE_OPTIONS: '--no-such-option', LD_PRELOAD: '/nonexistent.so' };
  const { exitCode, stderr } = await callWith(env, '');
  assert.equal([exitCode, stderr], [0, '']);
});

everyWay.run();
