/**
 * The sidecar as a structured plugin of KubeVirt 1.9: DomainHookService at the path that a Plugin
 * CR names.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HANG } from '../helpers/hang.ts';
import { withNetns } from '../helpers/pod/netns.ts';
import { domainFixture } from '../helpers/sidecar/domain-fixtures.ts';
import { type CallError, dial } from '../helpers/sidecar/grpc-go.ts';
import { callDefineDomain, callRaw, decodeMessage, encodeMessage } from '../helpers/sidecar/hook-api.ts';
import {
  logged,
  makeHookDirectory,
  type Sidecar,
  withHookPlace,
  withSidecar,
} from '../helpers/sidecar/sidecar.ts';
import { vmiJson } from '../helpers/sidecar/vmi.ts';

const test = suite('the sidecar as a structured plugin');

const METHOD = '/kubevirt.hooks.plugins.v1alpha1.DomainHookService/MutateDomain';
const DOMAIN = domainFixture('others-only').xml;

interface Plugin {
  readonly sidecar: Sidecar;
  readonly socket: string;
  /** The volume that all plugins of the pod share. */
  readonly volume: string;
}

function withPlugin(
  act: (plugin: Plugin) => Promise<void>,
  prepare = (_volume: string) => {},
): Promise<void> {
  return withNetns(async (netns) => {
    await netns.ip('link add podb1f51a511f1 type veth peer name host0');
    await netns.ip('tuntap add dev tapb1f51a511f1 mode tap user 107 group 107');
    await withHookPlace(async (place) => {
      const volume = makeHookDirectory(`${place}/plugins`);
      prepare(volume);
      const socket = `${volume}/tapwire/domain.sock`;
      await withSidecar(netns, place, { TAPWIRE_PLUGIN_SOCKET: socket }, async (sidecar) => {
        await reachable(socket);
        await act({ sidecar, socket, volume });
      });
    });
  });
}

/**
 * Waits for a plugin's socket as virt-launcher does.
 *
 * Source: kubevirt pkg/virt-launcher/virtwrap/plugins
 */
async function reachable(socket: string): Promise<void> {
  for (const deadline = Date.now() + HANG; Date.now() < deadline; await sleep(50)) {
    const client = existsSync(socket) ? await dial(socket, 2_000).catch(() => null) : null;
    client?.close();
    if (client !== null) return;
  }
  throw new Error(`Nobody listens at ${socket}`);
}

async function mutate(socket: string, request: object): Promise<string> {
  const bytes = await callRaw(socket, METHOD, encodeMessage('MutateDomainRequest', request));
  return Buffer.from(decodeMessage('MutateDomainResponse', bytes)['domain'] as Uint8Array).toString();
}

const request = (context: string, domain_type = 'libvirt') => ({
  domain_type,
  domain: DOMAIN,
  vmi: vmiJson(),
  sidecar_context: { invocation_context: context },
});

test('MutateDomain returns what OnDefineDomain does, in every context', () =>
  withPlugin(async ({ sidecar, socket }) => {
    const hooked = await callDefineDomain(socket, DOMAIN, vmiJson());
    assert.match(hooked, '"ua-red"');
    const contexts = ['Boot', 'MigrationSource', 'MigrationTarget'];
    for (const context of contexts) assert.is(await mutate(socket, request(context)), hooked, context);
    const told = await logged(sidecar, 3, ({ version }) => version === 'plugins v1alpha1');
    assert.equal(
      told.map(({ message, vmi, context }) => [message, vmi, context]),
      contexts.map((context) => ['Defined domain', 'lab/vm1', context]),
    );
  }));

test("MutateDomain rejects a domain that is not libvirt's and one that is broken", () =>
  withPlugin(async ({ socket }) => {
    for (const [wrong, message] of [
      [request('Boot', 'xen'), 'Cannot change a domain of type "xen": want "libvirt"'],
      [request('Boot', ''), 'Cannot change a domain of type "": want "libvirt"'],
      [{ ...request('Boot'), domain: Buffer.from('<domain>') }, 'Cannot read domain XML: '],
      [{ ...request('Boot'), vmi: Buffer.from('[]') }, '$'],
    ] as const) {
      const error = await mutate(socket, wrong).then(
        () => Promise.reject(new Error(`Expected: ${message}`)),
        (cause: CallError) => cause,
      );
      assert.is(error.code, status.INVALID_ARGUMENT, message);
      assert.ok(error.details.includes(message), error.details);
    }
    assert.match(await mutate(socket, request('Boot')), '"ua-red"');
  }));

test('the sidecar creates its directory in the volume, and leaves it empty on SIGTERM', () =>
  withPlugin(async ({ sidecar, socket, volume }) => {
    assert.equal(readdirSync(volume), ['tapwire']);
    assert.equal(readdirSync(`${volume}/tapwire`), ['domain.sock']);
    sidecar.kill('SIGTERM');
    assert.is(await sidecar.ended(), 0);
    assert.not(existsSync(socket));
  }));

test("the sidecar replaces a predecessor's socket", () =>
  withPlugin(
    async ({ socket }) => assert.match(await mutate(socket, request('Boot')), '"ua-red"'),
    (volume) => writeFileSync(`${makeHookDirectory(`${volume}/tapwire`)}/domain.sock`, ''),
  ));

test('an invalid path, and one that cannot be created, are reported in one line', () =>
  withNetns((netns) =>
    withHookPlace(async (place) => {
      for (const [path, reason] of [
        ['tapwire.sock', 'TAPWIRE_PLUGIN_SOCKET: want a path such as'],
        ['/proc/tapwire/domain.sock', 'Cannot serve hooks in "/proc/tapwire": ENOENT'],
      ] as const) {
        await withSidecar(netns, place, { TAPWIRE_PLUGIN_SOCKET: path }, async (sidecar) => {
          assert.is(await sidecar.ended(), 1);
          const [line, ...others] = sidecar.log();
          assert.ok(String(line?.['message']).includes(reason), String(line?.['message']));
          assert.equal([line?.['level'], others], ['error', []]);
        });
      }
    }),
  ));

test.run();
