/**
 * KubeVirt's own test cases for its hooks manager, with Tapwire's sidecar as one of the managed
 * sidecars.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type TestNetns, withNetns } from '../helpers/pod/netns.ts';
import { domainFixture } from '../helpers/sidecar/domain-fixtures.ts';
import { startForeignSidecar } from '../helpers/sidecar/foreign-sidecar.ts';
import { type HookManager, startHookManager } from '../helpers/sidecar/hook-manager.ts';
import {
  logged,
  makeHookDirectory,
  type Sidecar,
  withHookPlace,
  withSidecar,
} from '../helpers/sidecar/sidecar.ts';
import { vmiJson } from '../helpers/sidecar/vmi.ts';

const test = suite('hooks manager: upstream cases');

/** Keys as KubeVirt writes them: there are more than a sidecar may know. */
const CLOUD_INIT = JSON.stringify({
  DataSource: 'noCloud',
  NoCloudMetaData: { 'instance-id': 'vm1', 'local-hostname': 'vm1' },
  UserData: '#cloud-config\npassword: SECRET\n',
  NetworkData: '',
  DevicesData: null,
});
const UNTOUCHED = domainFixture('others-only').xml.toString();
/** A VMI without an interface of Tapwire's. */
const NOT_OURS = vmiJson({ red: { binding: { name: 'somebody-elses' } } });

/**
 * Runs pods with this many sidecars of Tapwire's, each in a directory of its own, followed by
 * sidecars of others.
 */
function withOurs(
  count: number,
  act: (place: string, ours: readonly Sidecar[], netns: TestNetns) => Promise<void>,
): Promise<void> {
  return withNetns((netns) =>
    withHookPlace(async (place) => {
      makeHookDirectory(`${place}/hooks`);
      const start = (ours: readonly Sidecar[]): Promise<void> => {
        if (ours.length === count) return act(`${place}/hooks`, ours, netns);
        const container = `hook-sidecar-${ours.length}`;
        const directory = makeHookDirectory(`${place}/hooks/${container}`);
        const env = { TAPWIRE_HOOK_DIR: directory, CONTAINER_NAME: container };
        return withSidecar(netns, place, env, (sidecar) => start([...ours, sidecar]));
      };
      await start([]);
    }),
  );
}

const isDefined = ({ message }: Record<string, unknown>) => message === 'Defined domain';

const counts = (manager: HookManager) => ['OnDefineDomain', 'PreCloudInitIso', 'Shutdown'].map(manager.count);

test('the manager finds the only sidecar', () =>
  withOurs(1, async (hooks) => {
    assert.equal(counts(await startHookManager(hooks, 1)), [1, 0, 1]);
  }));

test('the manager finds two on the same hook point, and the second gets the result of the first', () =>
  withOurs(2, async (hooks, ours, { ip }) => {
    await ip('link add podb1f51a511f1 type veth peer name host0');
    await ip('tuntap add dev tapb1f51a511f1 mode tap user 107 group 107');
    const manager = await startHookManager(hooks, 2);
    assert.equal(counts(manager), [2, 0, 2]);

    const answer = await manager.onDefineDomain(UNTOUCHED, vmiJson());
    assert.is(answer.match(/"ua-red"/g)?.length, 1);
    for (const one of ours) assert.is((await logged(one, 1, isDefined)).length, 1);
    assert.is(await manager.onDefineDomain(answer, vmiJson()), answer);
  }));

test('the manager finds two on different hook points', () =>
  withOurs(1, async (hooks) => {
    const foreign = await startForeignSidecar(`${makeHookDirectory(`${hooks}/hook-sidecar-1`)}/f.sock`, [
      'PreCloudInitIso',
    ]);
    const manager = await startHookManager(hooks, 2);
    assert.equal(counts(manager), [1, 1, 1]);
    assert.is(await manager.preCloudInitIso(CLOUD_INIT, NOT_OURS), CLOUD_INIT);
    assert.equal(foreign.calls, ['PreCloudInitIso']); // Tapwire's sidecar does not take its place.
    foreign.stop();
  }));

test('OnDefineDomain calls each sidecar once, and a domain that no sidecar changes comes back unchanged', () =>
  withOurs(1, async (hooks, [ours]) => {
    const foreign = await startForeignSidecar(`${makeHookDirectory(`${hooks}/hook-sidecar-1`)}/f.sock`, [
      'OnDefineDomain',
    ]);
    const manager = await startHookManager(hooks, 2);
    assert.is(await manager.onDefineDomain(UNTOUCHED, NOT_OURS), UNTOUCHED);
    assert.equal(foreign.calls, ['OnDefineDomain']);
    assert.is(ours && (await logged(ours, 1, isDefined)).length, 1);
    foreign.stop();
  }));

test("PreCloudInitIso without a sidecar that announces it leaves cloud-init unchanged, and out of the sidecar's log", () =>
  withOurs(1, async (hooks, [ours]) => {
    const manager = await startHookManager(hooks, 1);
    assert.is(await manager.preCloudInitIso(CLOUD_INIT, NOT_OURS), CLOUD_INIT);
    assert.not.match(ours?.output() ?? 'SECRET', 'SECRET');
  }));

test("Shutdown calls each sidecar once, and Tapwire's exits with status 0", () =>
  withOurs(1, async (hooks, [ours]) => {
    const foreign = await startForeignSidecar(`${makeHookDirectory(`${hooks}/hook-sidecar-1`)}/f.sock`, [
      'Shutdown',
    ]);
    await (await startHookManager(hooks, 2)).shutdown();
    assert.equal(foreign.calls, ['Shutdown']);
    assert.is(await ours?.ended(), 0);
    foreign.stop();
  }));

test.run();
