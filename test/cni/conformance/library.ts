import * as assert from 'uvu/assert';
import { SUPPORTED_VERSIONS } from '../../../cni/request/version.ts';
import type { Section } from '../../helpers/plugin/conformance.ts';
import { badArgs, conf, MAC, reachesNetns, refusal, refused, succeeds } from './calls.ts';
import { BLUE, chained, mismatched, onBlue, prevResultOf } from './pods.ts';

const RUNTIMES =
  'it is the runtime’s; containerd and a caller like Multus play that part in tests of their own';

/** ADD of a network with prevResult changed in one place; the error names the place. */
const badPrevResult = (change: Readonly<Record<string, unknown>>, path: string): Promise<void> =>
  refused(
    7,
    new RegExp(`^Cannot read \\$\\.prevResult\\.${path.replace(/[.[\]]/g, '\\$&')}: `),
    {},
    conf({ prevResult: { ...prevResultOf('1.0.0', '/x'), ...change } }),
  );

export const LIBRARY: Section = {
  title: '7.1 Cases of the reference library: types and runtime',
  rows: [
    {
      id: 'L1',
      requires: 'A result of 1.1.0 with all its fields is written.',
      shows:
        'mtu, socketPath and pciID of interfaces; mtu, advmss, priority, table and scope of routes, also where they are 0',
      test: async () => {
        const prevResult = {
          cniVersion: '1.1.0',
          interfaces: [
            {
              name: BLUE,
              mac: MAC,
              mtu: 1450,
              sandbox: '/x',
              socketPath: '/run/x.sock',
              pciID: '0000:04:00.5',
            },
          ],
          ips: [{ interface: 0, address: '192.0.2.10/24' }],
          routes: [
            {
              dst: '198.51.100.0/24',
              gw: '192.0.2.1',
              mtu: 1400,
              advmss: 1360,
              priority: 100,
              table: 0,
              scope: 0,
            },
          ],
          dns: { nameservers: ['192.0.2.53'], domain: 'a.b', search: ['c.d'], options: ['ndots:1'] },
        };
        assert.equal(await chained('1.1.0', prevResult), prevResult);
      },
    },
    {
      id: 'L2',
      requires: 'A result of 1.0.0 becomes one of 1.1.0 and back.',
      shows: 'R4.8, with addresses that have no interface',
      test: async () => {
        const prevResult = { cniVersion: '1.0.0', ips: [{ address: '192.0.2.10/24' }] };
        assert.equal(await chained('1.1.0', prevResult), { ...prevResult, cniVersion: '1.1.0' });
      },
    },
    {
      id: 'L3',
      requires: 'Results of 0.1.0 and 0.2.0: written, converted, round trip with and without gateways.',
      inapplicable: 'Tapwire does not speak them (R3.1)',
    },
    {
      id: 'L4',
      requires: 'Results of 0.3.x and 0.4.0 are written.',
      shows: 'R4.6, and an IPv6 address has version "6"',
      test: () =>
        onBlue(
          async (request) => {
            const { json } = await succeeds('ADD', request);
            assert.equal(
              json.ips.map(({ version }: { version: string }) => version),
              ['4', '6'],
            );
          },
          { cniVersion: '0.3.0' },
        ),
    },
    {
      id: 'L5',
      requires: 'The interface index 0 is kept; a missing one stays missing.',
      shows: 'both in one prevResult',
      test: async () => {
        const prevResult = {
          cniVersion: '1.0.0',
          interfaces: [{ name: BLUE, sandbox: '/x' }],
          ips: [{ interface: 0, address: '192.0.2.10/24' }, { address: '192.0.2.11/24' }],
        };
        assert.equal(await chained('1.0.0', prevResult), prevResult);
      },
    },
    {
      id: 'L6',
      requires: 'Conversion to 0.1.0 without an IP address fails.',
      differs: 'refused up front (R3.1)',
      shows: 'code 1 before the netns is looked for',
      test: () => refused(1, 'incompatible CNI versions', {}, conf({ cniVersion: '0.1.0' })),
    },
    {
      id: 'L7',
      requires: 'Invalid JSON, and JSON that is not an object, is rejected.',
      shows:
        'code 6, also for a number, a string, a list and true; null is an empty object, as in Go, and has no name',
      test: async () => {
        await refused(6, /^Cannot parse/, {}, '{"a"');
        for (const text of ['1', '"x"', '[]', 'true']) {
          await refused(6, 'Cannot parse the network configuration: want an object', {}, text);
        }
        await refused(7, 'missing network name', {}, 'null');
      },
    },
    {
      id: 'L8',
      requires: 'cniVersion "" counts as 0.1.0.',
      shows: 'R3.6',
      test: async () => assert.match((await refusal({}, conf({ cniVersion: '' }))).details ?? '', '"0.1.0"'),
    },
    {
      id: 'L9',
      requires:
        'Addresses are IP addresses with a prefix length, gateways IP addresses, routes have a destination.',
      shows: 'a prevResult with a broken one is code 7 that names the place',
      test: async () => {
        await badPrevResult({ ips: [{ address: '192.0.2.10' }] }, 'ips[0].address');
        await badPrevResult({ ips: [{ address: '192.0.2.10/33' }] }, 'ips[0].address');
        await badPrevResult({ ips: [{ address: '192.0.2.10/24', gateway: 'x' }] }, 'ips[0].gateway');
        await badPrevResult({ ips: [{ address: '192.0.2.10/24', interface: -2 }] }, 'ips[0].interface');
        await badPrevResult({ routes: [{}] }, 'routes[0].dst');
        await badPrevResult({ routes: [{ dst: '0.0.0.0/0', gw: 1 }] }, 'routes[0].gw');
        await badPrevResult({ interfaces: [{ name: 1 }] }, 'interfaces[0].name');
        await badPrevResult({ interfaces: {} }, 'interfaces');
        await badPrevResult({ dns: [] }, 'dns');
      },
    },
    {
      id: 'L10',
      requires: 'The text of an error, with and without details.',
      shows: 'R6.1',
      test: async () => {
        assert.is('details' in (await refusal({})), false);
        assert.is((await refusal({ CNI_CONTAINERID: '%' })).details, '%');
      },
    },
    {
      id: 'L11',
      requires: 'Booleans in CNI_ARGS; unknown keys ignored, not ignored, explicitly not ignored.',
      shows: 'R11.4',
      test: async () => {
        await reachesNetns({ CNI_ARGS: 'foo=bar;IgnoreUnknown=1' });
        await badArgs('foo=bar', 'ARGS: unknown args ["foo"]');
        await badArgs('foo=bar;IgnoreUnknown=false', 'ARGS: unknown args ["foo"]');
      },
    },
    {
      id: 'L12',
      requires: 'A prevResult is parsed; one of an unknown version or of another form fails; none is fine.',
      shows: 'each of the four',
      test: async () => {
        await reachesNetns({}, conf({ prevResult: prevResultOf('1.0.0', '/x') }));
        for (const [version, unknown] of [
          ['1.0.0', '9.9.9'],
          ['1.1.0', '1.2.0'],
          ['0.3.1', '0.2.0'],
          ['0.4.0', 'x'],
        ] as const) {
          const prevResult = { cniVersion: unknown };
          const msg = /^Cannot read \$\.prevResult\.cniVersion: /;
          await refused(7, msg, {}, conf({ cniVersion: version, prevResult }));
        }
        await mismatched('1.0.0', '0.3.0');
        await reachesNetns({}, conf());
      },
    },
    {
      id: 'L13',
      requires: 'Versions are compared; what cannot be parsed is an error; a list "starting from" a version.',
      shows: 'R3.4; the list starts from 0.3.0',
      test: () => assert.equal([SUPPORTED_VERSIONS[0], SUPPORTED_VERSIONS.at(-1)], ['0.3.0', '1.1.0']),
    },
    {
      id: 'L14',
      requires:
        'Results are fed forward in a chain; capabilities are filtered; an error stops the chain; results are cached.',
      inapplicable: RUNTIMES,
    },
    {
      id: 'L15',
      requires: 'disableCheck, disableGC, the order of DEL and of CHECK, STATUS stopping at the first error.',
      inapplicable: RUNTIMES,
    },
    {
      id: 'L16',
      requires: 'A plugin that takes too long is reported.',
      inapplicable: `${RUNTIMES}; no call here waits longer for another than 15 s (R6.2 11)`,
    },
  ],
};
