/** The sidecar as a process in a pod's netns, called as virt-launcher calls it. */

import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, statSync } from 'node:fs';
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import tapwire from '../../package.json' with { type: 'json' };
import { until } from '../helpers/agent/agent-node.ts';
import { HANG } from '../helpers/hang.ts';
import { parseDomainSpec } from '../helpers/lab/domain-spec.ts';
import { toGoXml } from '../helpers/lab/go-xml.ts';
import { type TestNetns, withNetns } from '../helpers/pod/netns.ts';
import { domainFixture } from '../helpers/sidecar/domain-fixtures.ts';
import { type CallError, dial } from '../helpers/sidecar/grpc-go.ts';
import { callBack, callDefineDomain, callInfo, callRaw, collectHooks } from '../helpers/sidecar/hook-api.ts';
import {
  logged,
  makeHookDirectory,
  processStatus,
  type Sidecar,
  withHookPlace,
  withSidecar,
} from '../helpers/sidecar/sidecar.ts';
import { vmiJson } from '../helpers/sidecar/vmi.ts';

const POD_MAC = '02:00:00:00:00:11';

/** A pod with a secondary network `red`, wired to a tap as far as its links are concerned. */
async function addRed({ ip }: TestNetns, { mtu = 1450, queues = '' } = {}): Promise<void> {
  await ip(`link add podb1f51a511f1 address ${POD_MAC} mtu 1500 type veth peer name host0`);
  await ip(`tuntap add dev tapb1f51a511f1 mode tap user 107 group 107 vnet_hdr${queues}`);
  await ip(`link set tapb1f51a511f1 mtu ${mtu}`);
}

interface Served {
  readonly netns: TestNetns;
  readonly sidecar: Sidecar;
  readonly socket: string;
  readonly directory: string;
}

/** A sidecar that virt-launcher of KubeVirt >= 1.6 has found. */
function serving(
  act: (served: Served) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  return withNetns((netns) =>
    withHookPlace(async (place) => {
      makeHookDirectory(`${place}/hooks`);
      const directory = makeHookDirectory(`${place}/hooks/hook-sidecar-0`);
      const all = { TAPWIRE_HOOK_DIR: directory, CONTAINER_NAME: 'hook-sidecar-0', ...env };
      await withSidecar(netns, place, all, async (sidecar) => {
        const [hook] = await collectHooks(`${place}/hooks`, 'nested', 1);
        await act({ netns, sidecar, socket: hook?.socket ?? '', directory });
      });
    }),
  );
}

/** The first socket that can be seen in a directory, without waiting. */
async function firstSocket(directory: string): Promise<string> {
  for (const deadline = Date.now() + HANG; Date.now() < deadline; await sleep(1)) {
    const socket = readdirSync(directory, { withFileTypes: true }).find((entry) => entry.isSocket());
    if (socket !== undefined) return `${directory}/${socket.name}`;
  }
  throw new Error(`No socket in ${directory}`);
}

/** Connects once; rejects if no process listens yet. Libraries hide that by trying again. */
async function connectOnce(path: string): Promise<void> {
  const socket = createConnection(path);
  await once(socket, 'connect');
  socket.destroy();
}

const failure = (call: Promise<unknown>): Promise<CallError> =>
  call.then(
    () => Promise.reject(new Error('Expected a failure')),
    (error: CallError) => error,
  );

const interfaceOf = (xml: string) =>
  xml.match(/<interface [^>]*>[\s\S]*?<\/interface>/g)?.find((one) => one.includes('"ua-red"'));
const oneLine = (xml = '') => xml.replace(/>\s+</g, '><');
const RED =
  `<interface type="ethernet"><target dev="tapb1f51a511f1" managed="no"></target><model type="virtio-non-transitional"></model>` +
  `<mac address="${POD_MAC}"></mac><mtu size="1450"></mtu><alias name="ua-red"></alias><rom enabled="no"></rom></interface>`;

const run = suite('sidecar');

run('the sidecar is found, serves Info, three passes and Shutdown, and exits', () =>
  serving(async ({ netns, sidecar, socket, directory }) => {
    assert.match(socket, /\/hooks\/hook-sidecar-0\/hook-sidecar-0-[0-9a-f]{16}\.sock$/);
    assert.is(statSync(socket).mode & 0o777, 0o660);
    assert.equal(
      readdirSync(directory, { withFileTypes: true }).map((entry) => entry.isSocket()),
      [true],
    );
    assert.is(processStatus(sidecar, 'Uid'), '107\t107\t107\t107');
    assert.is(processStatus(sidecar, 'CapBnd'), '0000000000000000');
    assert.is(processStatus(sidecar, 'NoNewPrivs'), '1');
    assert.equal(await callInfo(socket), {
      name: 'tapwire',
      hookPoints: [
        { name: 'OnDefineDomain', priority: 0 },
        { name: 'Shutdown', priority: 0 },
      ],
      versions: ['v1alpha3', 'v1alpha2', 'v1alpha1'],
    });

    await addRed(netns);
    let xml = domainFixture('placeholders-only').xml.toString();
    for (const pass of ['A', 'B', 'C']) {
      const answer = await callDefineDomain(socket, xml, vmiJson());
      assert.is(oneLine(interfaceOf(answer)), RED, `pass ${pass}`);
      assert.is(answer.match(/"ua-red"/g)?.length, 1, `pass ${pass}`);
      xml = toGoXml(parseDomainSpec(answer));
    }

    assert.equal(await callBack(socket, 'v1alpha3', 'Shutdown', {}), {});
    assert.is(await sidecar.ended(), 0);
    assert.not(existsSync(socket));
    assert.equal(readdirSync(directory), []);
    const lines = sidecar.log().map(({ time: _, ms: __, ...rest }) => rest);
    const defined = {
      level: 'info',
      message: 'Defined domain',
      version: 'v1alpha3',
      vmi: 'lab/vm1',
      interfaces: ['red'],
    };
    assert.equal(lines, [
      {
        level: 'info',
        message: 'Serving hooks',
        socket,
        version: tapwire.version,
        bindings: [
          'tapwire',
          'tapwire-mq',
          'tapwire-pod-ip',
          'tapwire-pod-ip-mq',
          'tapwire-secondary',
          'tapwire-secondary-mq',
          'tapwire-macvtap',
          'tapwire-passt',
          'tapwire-slirp',
        ],
      },
      ...[defined, defined, defined],
      { level: 'info', message: 'Stopped', reason: 'Shutdown' },
    ]);
    assert.not.match(sidecar.output(), /SECRET/);
  }),
);

run(
  'two sidecars and a stale socket share a flat directory, and each socket either refuses the connection or gets a reply',
  () =>
    withNetns((netns) =>
      withHookPlace(async (place) => {
        const directory = makeHookDirectory(`${place}/hooks`);
        const env = { TAPWIRE_HOOK_DIR: directory };
        const stale = await withSidecar(netns, place, env, async (killed) => {
          const [hook] = await collectHooks(directory, 'flat', 1);
          killed.kill('SIGKILL');
          assert.is(await killed.ended(), 'SIGKILL');
          return hook?.socket ?? '';
        });
        assert.ok(existsSync(stale));

        await withSidecar(netns, place, env, (one) =>
          withSidecar(netns, place, env, async (other) => {
            const sockets = (await collectHooks(directory, 'flat', 2, 5)).map(({ socket }) => socket);
            assert.is(new Set(sockets).size, 2);
            for (const socket of sockets) assert.match(socket, /\/hooks\/tapwire-[0-9a-f]{16}\.sock$/);
            assert.equal(
              readdirSync(directory)
                .map((name) => `${directory}/${name}`)
                .sort(),
              [...sockets, stale].sort(),
            );

            one.kill('SIGTERM');
            other.kill('SIGINT');
            assert.equal([await one.ended(), await other.ended()], [0, 0]);
            assert.equal(
              readdirSync(directory).map((name) => `${directory}/${name}`),
              [stale],
            );
            assert.is(one.log().at(-1)?.['reason'], 'SIGTERM');
            assert.is(other.log().at(-1)?.['reason'], 'SIGINT');
          }),
        );
      }),
    ),
);

run('a socket replies from the moment it is visible', () =>
  withNetns((netns) =>
    withHookPlace(async (place) => {
      const directory = makeHookDirectory(`${place}/hooks`);
      for (let round = 0; round < 5; round++) {
        await withSidecar(netns, place, { TAPWIRE_HOOK_DIR: directory }, async (sidecar) => {
          const socket = await firstSocket(directory);
          await connectOnce(socket);
          await callInfo(socket);
          sidecar.kill('SIGTERM');
          assert.is(await sidecar.ended(), 0);
        });
      }
    }),
  ),
);

run('the tap determines queues and MTU, and a domain that does not match is fixed', () =>
  serving(async ({ netns, socket }) => {
    await addRed(netns, { mtu: 1400, queues: ' multi_queue' });
    const answer = await callDefineDomain(socket, domainFixture('virt-launcher').xml, vmiJson());
    assert.match(
      answer,
      /<mtu size="1400"><\/mtu>\s*<alias name="ua-red"><\/alias>\s*<driver name="vhost" queues="2"><\/driver>/,
    );

    await netns.ip('link del tapb1f51a511f1');
    await netns.ip('tuntap add dev tapb1f51a511f1 mode tap user 107');
    const repaired = await callDefineDomain(
      socket,
      answer,
      vmiJson({ devices: { networkInterfaceMultiqueue: true } }),
    );
    assert.match(
      repaired,
      /<mtu size="1500"><\/mtu>\s*<alias name="ua-red"><\/alias>\s*<driver name="vhost"><\/driver>/,
    );
  }),
);

run('a missing link of the pod is named, and used once it exists', () =>
  serving(async ({ netns, sidecar, socket }) => {
    const define = () => callDefineDomain(socket, domainFixture('virt-launcher').xml, vmiJson());
    const noLink = await failure(define());
    assert.is(noLink.code, status.FAILED_PRECONDITION);
    const LINKS = /\(links seen: lo.*\)$/;
    assert.match(
      noLink.details,
      /^Cannot bind interface "red": the pod has no link "podb1f51a511f1" or "net1"; /,
    );
    assert.match(noLink.details, LINKS);

    await netns.ip('link add podb1f51a511f1 type veth peer name host0');
    const noTap = await failure(define());
    assert.is(noTap.code, status.FAILED_PRECONDITION);
    assert.match(
      noTap.details,
      /^Cannot bind interface "red": the pod has link "podb1f51a511f1" but no tap "tapb1f51a511f1"; /,
    );
    assert.match(noTap.details, LINKS);
    const [line] = await logged(sidecar, 1, ({ message }) => message === noTap.details);
    assert.is(line?.['code'], 'LINK_MISSING');

    await netns.ip('tuntap add dev tapb1f51a511f1 mode tap');
    assert.match(await define(), /"tapb1f51a511f1"/);
  }),
);

run('each version of the API has its methods, and PreCloudInitIso returns its input', () =>
  serving(async ({ netns, socket }) => {
    await addRed(netns);
    const params = { domainXML: domainFixture('no-interface').xml, vmi: vmiJson() };
    for (const version of ['v1alpha1', 'v1alpha2', 'v1alpha3']) {
      const { domainXML } = await callBack(socket, version, 'OnDefineDomain', params);
      assert.is(oneLine(interfaceOf(Buffer.from(domainXML as Uint8Array).toString())), RED);
    }
    const source = {
      cloudInitNoCloudSource: Buffer.from('{}'),
      vmi: vmiJson(),
      cloudInitData: Buffer.from('{"x":"SECRET"}'),
    };
    const { cloudInitNoCloudSource, cloudInitData } = await callBack(
      socket,
      'v1alpha2',
      'PreCloudInitIso',
      source,
    );
    assert.is(Buffer.from(cloudInitNoCloudSource as Uint8Array).toString(), '{}');
    assert.is(Buffer.from(cloudInitData as Uint8Array).toString(), '{"x":"SECRET"}');
    for (const path of [
      'v1alpha1.Callbacks/PreCloudInitIso',
      'v1alpha2.Callbacks/Shutdown',
      'v1alpha4.Callbacks/Shutdown',
    ]) {
      const { code } = await failure(callRaw(socket, `/kubevirt.hooks.${path}`, Buffer.alloc(0)));
      assert.is(code, status.UNIMPLEMENTED, path);
    }
  }),
);

run('hostile requests are rejected, and the next valid one is served', () =>
  serving(async ({ netns, sidecar, socket }) => {
    await addRed(netns);
    const DEFINE = '/kubevirt.hooks.v1alpha3.Callbacks/OnDefineDomain';
    const good = domainFixture('virt-launcher').xml;
    const define = (xml: string | Uint8Array, vmi: Uint8Array) => failure(callDefineDomain(socket, xml, vmi));
    const refusals: readonly [CallError, status, RegExp][] = [
      [
        await failure(callRaw(socket, DEFINE, Buffer.from('0aff', 'hex'))),
        status.INVALID_ARGUMENT,
        /^Cannot read hook request: premature EOF$/,
      ],
      [
        await failure(callRaw(socket, '/kubevirt.hooks.info.Info/Info', Buffer.from('07', 'hex'))),
        status.INVALID_ARGUMENT,
        /^Cannot read hook request/,
      ],
      [
        await failure(
          callRaw(socket, '/kubevirt.hooks.v1alpha3.Callbacks/Shutdown', Buffer.from('ff', 'hex')),
        ),
        status.INVALID_ARGUMENT,
        /^Cannot read hook request/,
      ],
      [
        await failure(callRaw(socket, DEFINE, Buffer.alloc(0))),
        status.INVALID_ARGUMENT,
        /^Cannot read the VMI: it is not JSON/,
      ],
      [
        await failure(callRaw(socket, DEFINE, Buffer.alloc(5 * 1024 * 1024))),
        status.RESOURCE_EXHAUSTED,
        /^Received message larger than max \(5242880 vs 2359296\)$/,
      ],
      [
        await define(good, Buffer.from('{"spec": "SECRET')),
        status.INVALID_ARGUMENT,
        /^Cannot read the VMI: it is not JSON in UTF-8$/,
      ],
      [
        await define('<!DOCTYPE domain><domain/>', vmiJson()),
        status.INVALID_ARGUMENT,
        /a document type declaration is not accepted/,
      ],
      [
        await define(Buffer.alloc(2 * 1024 * 1024, '<a>'), vmiJson()),
        status.INVALID_ARGUMENT,
        /more than 1048576$/,
      ],
      [
        await define(good, vmiJson({ red: { name: '\ud800' } })),
        status.INVALID_ARGUMENT,
        /the VMI has no network of that name$/,
      ],
      [
        await define(good, vmiJson({ red: { macAddress: '%n\n' } })),
        status.INVALID_ARGUMENT,
        /interfaces\[1\]\.macAddress: want a unicast MAC address/,
      ],
    ];
    for (const [error, code, text] of refusals) {
      assert.is(error.code, code, error.message);
      assert.match(error.details, text);
    }
    const raw = createConnection(socket);
    raw.on('error', () => {});
    raw.end('GET / HTTP/1.1\r\n\r\n\0\0\0');
    assert.match(await callDefineDomain(socket, good, vmiJson()), /"tapb1f51a511f1"/);
    assert.not.match(sidecar.output(), /SECRET/);
  }),
);

run('twenty calls at once, three times, each over a connection of its own, leave nothing open', () =>
  serving(async ({ netns, sidecar, socket }) => {
    await addRed(netns);
    const xml = domainFixture('virt-launcher').xml;
    const openFiles = () => readdirSync(`/proc/${sidecar.pid}/fd`).length;
    const before = openFiles();
    for (let round = 0; round < 3; round++) {
      const calls = Array.from({ length: 20 }, () => callDefineDomain(socket, xml, vmiJson()));
      assert.is(new Set(await Promise.all(calls)).size, 1);
    }
    await until(`${before} files are open, as before`, () => openFiles() <= before);
  }),
);

run('an interface with the name that another sidecar serves stays as it is', () =>
  serving(
    async ({ netns, socket }) => {
      await addRed(netns);
      const { xml } = domainFixture('others-only');
      assert.is(await callDefineDomain(socket, xml, vmiJson()), xml.toString());
      const answer = await callDefineDomain(
        socket,
        xml,
        vmiJson({ red: { binding: { name: 'tapwire-mq' } } }),
      );
      assert.match(answer, /"ua-red"/);
    },
    { NETWORK_BINDING_PLUGIN_NAME: 'tapwire-mq' },
  ),
);

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  run(
    `${signal} ends the sidecar although clients stay connected, silent or in the middle of a request`,
    () =>
      serving(async ({ sidecar, socket, directory }) => {
        const idle = await dial(socket);
        const silent = createConnection(socket);
        silent.on('error', () => {});
        await sleep(50);
        sidecar.kill(signal);
        await sleep(20);
        sidecar.kill(signal);
        assert.is(await sidecar.ended(), 0);
        assert.equal(readdirSync(directory), []);
        idle.close();
        silent.destroy();
      }),
  );
}

run('Shutdown gets its reply before the sidecar exits, every time', () =>
  withNetns((netns) =>
    withHookPlace(async (place) => {
      const directory = makeHookDirectory(`${place}/hooks`);
      for (let round = 0; round < 5; round++) {
        await withSidecar(netns, place, { TAPWIRE_HOOK_DIR: directory }, async (sidecar) => {
          const socket = await firstSocket(directory);
          assert.equal(await callBack(socket, 'v1alpha3', 'Shutdown', {}), {});
          assert.is(await sidecar.ended(), 0);
        });
      }
    }),
  ),
);

for (const [why, prepare, reason] of [
  ['does not exist', () => {}, 'ENOENT: no such file or directory'],
  [
    'cannot be written to',
    (path: string) => chmodSync(makeHookDirectory(path), 0o550),
    'EACCES: permission denied',
  ],
] as const) {
  run(`a hook directory that ${why} is reported in one line`, () =>
    withNetns((netns) =>
      withHookPlace(async (place) => {
        const directory = `${place}/hooks`;
        prepare(directory);
        await withSidecar(netns, place, { TAPWIRE_HOOK_DIR: directory }, async (sidecar) => {
          assert.is(await sidecar.ended(), 1);
          const [line, ...others] = sidecar.log();
          assert.equal(others, []);
          assert.is(line?.['level'], 'error');
          assert.ok(
            String(line?.['message']).startsWith(`Cannot serve hooks in "${directory}": ${reason}`),
            String(line?.['message']),
          );
        });
      }),
    ),
  );
}

run('a hook directory whose path is too long for a socket is reported in one line and left empty', () =>
  withNetns((netns) =>
    withHookPlace(async (place) => {
      const directory = makeHookDirectory(`${place}/${'x'.repeat(90)}`);
      await withSidecar(netns, place, { TAPWIRE_HOOK_DIR: directory }, async (sidecar) => {
        assert.is(await sidecar.ended(), 1);
        assert.is(sidecar.log().length, 1);
        assert.is(
          sidecar.log()[0]?.['message'],
          `Cannot serve hooks in "${directory}": the socket's path would be longer than 107 bytes`,
        );
        assert.equal(readdirSync(directory), []);
      });
    }),
  ),
);

run.run();
