/**
 * Several bindings in one VM, with a sidecar for each: all from the image that serves every
 * binding, or from the images that registrations of 0.1.0 name.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { variants } from '../../scripts/image/config.ts';
import { parseDomainSpec } from '../helpers/lab/domain-spec.ts';
import { toGoXml } from '../helpers/lab/go-xml.ts';
import { cni } from '../helpers/plugin/cni.ts';
import { type TestNetns, withNetns } from '../helpers/pod/netns.ts';
import { elements } from '../helpers/sidecar/defined.ts';
import { domainFixture } from '../helpers/sidecar/domain-fixtures.ts';
import { callDefineDomain, collectHooks } from '../helpers/sidecar/hook-api.ts';
import {
  logged,
  makeHookDirectory,
  type Sidecar,
  withHookPlace,
  withSidecar,
} from '../helpers/sidecar/sidecar.ts';
import { vmiJson } from '../helpers/sidecar/vmi.ts';

const test = suite('one image for every binding');

type Env = Readonly<Record<string, string>>;

/** Environments of the images, by the end of the tag. */
const IMAGES = new Map<string, Env>(
  variants('x64', {}).map(({ name, config }) => [
    name.replace(/^[^:]*:[^-]*/, ''),
    Object.fromEntries(config.config.Env.map((variable) => variable.split('=', 2))),
  ]),
);
const imageOf = (end: string): Env => {
  const env = IMAGES.get(end);
  if (env === undefined) throw new Error(`No image ends with "${end}"`);
  return env;
};

/** The bindings of the VM, by network. */
const BINDINGS = { default: 'tapwire-passt', red: 'tapwire-secondary', blue: 'tapwire-slirp' } as const;
const REGISTERED = Object.values(BINDINGS);
const vmiOf = (bindings: Readonly<Record<string, string>>) =>
  vmiJson({
    interfaces: Object.entries(bindings).map(([name, binding]) => ({ name, binding: { name: binding } })),
    networks: Object.keys(bindings).map((name) =>
      name === 'default' ? { name, pod: {} } : { name, multus: { networkName: name } },
    ),
  });

/**
 * A pod with links for all networks. The plugin has prepared `default` for passt and wired `red`.
 */
async function wire({ ip, path }: TestNetns): Promise<void> {
  for (const link of ['eth0', 'podb1f51a511f1', 'pod16477688c0e'])
    await ip(`link add ${link} up type veth peer name p${link.slice(-8)}`);
  for (const [network, ifname, conf] of [
    ['default', 'net1', { binding: 'passt' }],
    ['red', 'net2', { network: 'secondary' }],
  ] as const) {
    const { exitCode, stdout } = await cni('ADD', { netns: path, ifname, network, conf });
    assert.is(exitCode, 0, stdout);
  }
}

interface Running {
  readonly sidecar: Sidecar;
  readonly socket: string;
}

/**
 * KubeVirt's ways to start a sidecar: the layout of the hook directory, and whether the sidecar is
 * told its binding.
 */
const GENERATIONS = [
  { versions: '1.1 to 1.5', layout: 'flat', tellsName: false },
  { versions: '1.6 to 1.8', layout: 'nested', tellsName: false },
  { versions: '1.9', layout: 'nested', tellsName: true },
] as const;
type Generation = (typeof GENERATIONS)[number];

/** Starts one sidecar for each registration, in a wired pod. */
function withPod(
  { layout, tellsName }: Generation,
  registrations: readonly (readonly [name: string, image: string])[],
  act: (running: readonly Running[]) => Promise<void>,
): Promise<void> {
  return withNetns((netns) =>
    withHookPlace(async (place) => {
      await wire(netns);
      const hooks = makeHookDirectory(`${place}/hooks`);
      const startFrom = async (started: readonly Running[]): Promise<void> => {
        const index = started.length;
        const registration = registrations[index];
        if (registration === undefined) return act(started);
        const [name, image] = registration;
        const container = `hook-sidecar-${index}`;
        const env = {
          ...imageOf(image),
          ...(tellsName ? { NETWORK_BINDING_PLUGIN_NAME: name } : {}),
          ...(layout === 'nested' ? { CONTAINER_NAME: container } : {}),
          TAPWIRE_HOOK_DIR: layout === 'nested' ? makeHookDirectory(`${hooks}/${container}`) : hooks,
        };
        await withSidecar(netns, place, env, async (sidecar) => {
          const sockets = (await collectHooks(hooks, layout, index + 1)).map((hook) => hook.socket);
          const socket = sockets.find((one) => started.every((other) => other.socket !== one)) ?? '';
          await startFrom([...started, { sidecar, socket }]);
        });
      };
      await startFrom([]);
    }),
  );
}

/** The VM's interfaces, in an order that does not depend on the sidecars' order. */
const nicsOf = (xml: string) =>
  elements(xml, 'interface')
    .map((one) => one.replace(/>\s+</g, '><'))
    .sort();

const DOMAIN = domainFixture('no-interface').xml.toString();

for (const generation of GENERATIONS) {
  for (const [why, images] of [
    ['one image', ['', '', '']],
    ['the images of 0.1.0', ['-passt', '', '-slirp']],
  ] as const) {
    test(`KubeVirt ${generation.versions}, ${why}: passt, tap and slirp in one VM, in any order of the sidecars`, () =>
      withPod(
        generation,
        REGISTERED.map((name, index) => [name, images[index] ?? '']),
        async (running) => {
          const vmi = vmiOf(BINDINGS);
          const results: unknown[] = [];
          for (const order of [running, running.toReversed()]) {
            let xml = DOMAIN;
            let answer = '';
            for (const _ of ['A', 'B', 'C']) {
              answer = xml;
              for (const { socket } of order) answer = await callDefineDomain(socket, answer, vmi);
              xml = toGoXml(parseDomainSpec(answer));
            }
            const nics = nicsOf(answer).join('\n');
            assert.is(nics.match(/type="vhostuser"/g)?.length, 1, nics);
            assert.is(nics.match(/dev="tapb1f51a511f1"/g)?.length, 1, nics);
            assert.is(nics.match(/type="user"/g)?.length, 1, nics);
            assert.is(answer.match(/<qemu:arg value="-netdev"/g)?.length, 1, answer);
            results.push(nicsOf(answer));
          }
          assert.equal(results[0], results[1]);
          for (const { sidecar } of running)
            assert.equal(
              sidecar.log().filter(({ level }) => level !== 'info'),
              [],
            );
        },
      ));
  }

  if (generation.tellsName) continue;
  test(`KubeVirt ${generation.versions}, one image: the first sidecar binds all interfaces, and the others change nothing`, () =>
    withPod(
      generation,
      REGISTERED.map((name) => [name, '']),
      async (running) => {
        const vmi = vmiOf(BINDINGS);
        for (const [first, ...others] of [running, running.toReversed()]) {
          const answer = await callDefineDomain(first?.socket ?? '', DOMAIN, vmi);
          assert.is(answer.match(/"ua-(default|red)"/g)?.length, 2);
          for (const { socket } of others) assert.is(await callDefineDomain(socket, answer, vmi), answer);
        }
      },
    ));

  test(`KubeVirt ${generation.versions}: the log tells that a pinned image serves no interface`, () =>
    withPod(generation, [['tapwire-secondary', '-passt']], async ([running]) => {
      if (running === undefined) throw new Error('No sidecar');
      const vmi = vmiOf({ red: 'tapwire-secondary' });
      assert.is(await callDefineDomain(running.socket, DOMAIN, vmi), DOMAIN);
      const [line] = await logged(running.sidecar, 1, ({ level }) => level === 'warn');
      assert.is(
        line?.['message'],
        'the VM has no interface of the bindings that this sidecar serves ("tapwire-passt"), only of "tapwire-secondary"; ' +
          'if sidecarImage of one of those names this image, use the image without a binding in its tag, or set TAPWIRE_BINDING_NAMES in the image',
      );
    }));
}

test('KubeVirt 1.9: the log and the error tell that an image is pinned to another binding', () =>
  withPod(GENERATIONS[2], [['tapwire-secondary', '-passt']], async ([running]) => {
    if (running === undefined) throw new Error('No sidecar');
    const call = callDefineDomain(running.socket, DOMAIN, vmiOf({ red: 'tapwire-secondary' }));
    const { details } = await call.then(
      () => Promise.reject(new Error('Expected a failure')),
      (error: { details: string }) => error,
    );
    assert.match(
      details,
      /\(the sidecar's image sets TAPWIRE_BINDING=passt, but binding "tapwire-secondary" of interface "red" is tap by the record on the interface's tap; set the registration's sidecarImage to the image without a binding in its tag/,
    );
    const [line] = await logged(running.sidecar, 1, ({ level }) => level === 'error');
    assert.is(line?.['message'], details);
  }));

test.run();
