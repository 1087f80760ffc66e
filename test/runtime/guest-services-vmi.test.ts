/** What the sidecar of a served guest makes of the VMI: its hooks, cloud-init data and options. */
import { writeFileSync } from 'node:fs';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NETWORK_CONFIG_ANNOTATION } from '../../sidecar/vmi/guest-options.ts';
import { until } from '../helpers/agent/agent-node.ts';
import type { FrameSocket } from '../helpers/pod/frames.ts';
import { type ServedPod, withServedPod } from '../helpers/pod/served-pod.ts';
import { requestsOf } from '../helpers/pod/service-frames.ts';
import { MAC, OWN4 } from '../helpers/pod/spoof-kinds.ts';
import { recordedCloudInit, withoutNetworkData } from '../helpers/sidecar/cloud-init.ts';
import { podVmi } from '../helpers/sidecar/defined.ts';
import { readReply } from '../helpers/sidecar/dhcp4.ts';
import { domainFixture } from '../helpers/sidecar/domain-fixtures.ts';
import { callBack, callDefineDomain, collectHooks } from '../helpers/sidecar/hook-api.ts';
import type { Sidecar } from '../helpers/sidecar/sidecar.ts';
import { vmiJson } from '../helpers/sidecar/vmi.ts';

const test = suite('the VMI of a served guest');

interface Scene {
  readonly sidecar: Sidecar;
  readonly socket: string;
  /** Names of the hooks that Info announces. */
  readonly announced: readonly string[];
}

const withScene = (pod: ServedPod, act: (scene: Scene) => Promise<void>): Promise<void> =>
  pod.withSidecar(async (sidecar, hooks) => {
    const [hook] = await collectHooks(hooks, 'flat', 1);
    const points = hook?.info['hookPoints'] as readonly { readonly name: string }[];
    await act({ sidecar, socket: hook?.socket ?? '', announced: points.map(({ name }) => name) });
  });

const { cloudInitData: recorded, cloudInitNoCloudSource } = recordedCloudInit();
const annotated = vmiJson({
  ...podVmi('tapwire-pod-ip'),
  metadata: { annotations: { [NETWORK_CONFIG_ANNOTATION]: 'pod' } },
});

/** The cloud-init data in the reply to PreCloudInitIso. */
async function prepared({ socket }: Scene, cloudInitData: Buffer, vmi: Buffer): Promise<string> {
  const params = { cloudInitNoCloudSource, cloudInitData, vmi };
  const result = await callBack(socket, 'v1alpha3', 'PreCloudInitIso', params);
  assert.equal(Buffer.from(result['cloudInitNoCloudSource'] as Uint8Array), cloudInitNoCloudSource);
  return Buffer.from(result['cloudInitData'] as Uint8Array).toString();
}

test('a pod without a served tap keeps its cloud-init data to itself', () =>
  withServedPod((pod) =>
    withScene(pod, async ({ announced }) => assert.equal(announced, ['OnDefineDomain', 'Shutdown'])),
  ));

test('cloud-init data get the network of the pod if the annotation asks for it, and none is there', () =>
  withServedPod(async (pod) => {
    await pod.wire();
    await withScene(pod, async (scene) => {
      assert.equal(scene.announced, ['OnDefineDomain', 'PreCloudInitIso', 'Shutdown']);
      const empty = Buffer.from(withoutNetworkData(recorded));
      assert.is(await prepared(scene, empty, vmiJson(podVmi('tapwire-pod-ip'))), empty.toString(), 'unasked');
      assert.is(await prepared(scene, recorded, annotated), recorded.toString(), "the user's own");

      const added = JSON.parse(await prepared(scene, empty, annotated));
      const { version, ethernets } = JSON.parse(added.NetworkData);
      assert.equal([version, ethernets.nic0.match.macaddress], [2, MAC]);
      assert.ok(ethernets.nic0.addresses.includes(`${OWN4[0]}/24`), JSON.stringify(ethernets));
      assert.equal({ ...added, NetworkData: '' }, JSON.parse(empty.toString()), 'nothing else changes');
      assert.not.match(scene.sidecar.output(), /ssh-|password|userData/i);
    });
  }));

const [DISCOVER = ''] = requestsOf(MAC);
const HEADERS = 14 + 20 + 8;

/** Value of an option in the next reply to a DISCOVER; null if it has none. */
async function optionFor(guest: FrameSocket, code: number): Promise<string | null> {
  const start = guest.received.length;
  const find = () =>
    guest.received.slice(start).find((frame) => {
      const bytes = Buffer.from(frame, 'hex');
      return bytes.readUInt16BE(12) === 0x0800 && bytes.length > HEADERS && bytes.readUInt16BE(36) === 68;
    });
  let last = Number.NEGATIVE_INFINITY;
  await until('the server replies', () => {
    if (performance.now() > last + 1000) {
      guest.send(DISCOVER);
      last = performance.now();
    }
    return find() !== undefined;
  });
  const frame = Buffer.from(find() ?? '', 'hex');
  return readReply(frame.subarray(HEADERS, 14 + 20 + frame.readUInt16BE(38))).options.get(code) ?? null;
}

test('dhcpOptions are served from OnDefineDomain on, also by the next process of the sidecar', () =>
  withServedPod(async (pod) => {
    await pod.wire();
    const guest = await pod.open();
    const vmi = vmiJson(podVmi('tapwire-pod-ip', { dhcpOptions: { ntpServers: ['192.0.2.77'] } }));
    await pod.withSidecar(async (sidecar, hooks) => {
      const [hook] = await collectHooks(hooks, 'flat', 1);
      assert.is(await optionFor(guest, 42), null);
      for (let pass = 0; pass < 3; pass++)
        await callDefineDomain(hook?.socket ?? '', domainFixture('no-interface').xml, vmi);
      assert.is(await optionFor(guest, 42), 'c000024d');
      sidecar.kill('SIGKILL');
      await sidecar.ended();

      await pod.withSidecar(async (next) => {
        assert.is(await optionFor(guest, 42), 'c000024d');
        next.kill('SIGTERM');
        assert.is(await next.ended(), 0);
      }, hooks);
    });
  }));

for (const [what, make] of [
  ['a FIFO', (path: string) => execa('mkfifo', [path])],
  ['a link', (path: string) => execa('ln', ['-s', '/dev/zero', path])],
  ['a large file', async (path: string) => writeFileSync(path, Buffer.alloc(2 * 1024 * 1024, '['))],
  ['garbage', async (path: string) => writeFileSync(path, '{"spec":')],
] as const) {
  test(`${what} in place of the kept VMI does not keep the sidecar from serving`, () =>
    withServedPod(async (pod) => {
      await pod.wire();
      const guest = await pod.open();
      await pod.withSidecar(async (first, hooks) => {
        await collectHooks(hooks, 'flat', 1);
        first.kill('SIGKILL');
        await first.ended();
        await execa('mkdir', ['-p', `${hooks}/userdata`]);
        await make(`${hooks}/userdata/tapwire-vmi.json`);
        await pod.withSidecar(async () => assert.is(await optionFor(guest, 42), null), hooks);
      });
    }));
}

test.run();
