import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseOptions, USAGE } from '../../../daemonset/options.ts';
import { caught } from '../../helpers/caught.ts';

const test = suite('parseOptions()');

const DEFAULTS = {
  socket: '/run/tapwire/agent.sock',
  nodeFile: '/etc/tapwire/node.json',
  health: { host: '127.0.0.1', port: 9746 },
  netnsDir: '/run/netns',
  deviceDirectory: '/dev',
  scanSeconds: 60,
};

for (const [why, args, want] of [
  ['nothing', [], {}],
  ['a socket and a node file', ['--socket', '/a', '--node-file=/b'], { socket: '/a', nodeFile: '/b' }],
  ['any free port', ['--health', '0.0.0.0:0'], { health: { host: '0.0.0.0', port: 0 } }],
  ['an IPv6 address', ['--health', '[::1]:65535'], { health: { host: '::1', port: 65535 } }],
  ['a directory', ['--netns-dir', '/a'], { netnsDir: '/a' }],
  ['a directory of device nodes', ['--device-dir', '/a'], { deviceDirectory: '/a' }],
  ['no scan', ['--scan-interval', '0'], { scanSeconds: 0 }],
  ['a scan once a day', ['--scan-interval', '86400'], { scanSeconds: 86_400 }],
  ['a name', ['--health', 'localhost:80'], { health: { host: 'localhost', port: 80 } }],
] as const) {
  test(`reads ${why}`, () => assert.equal(parseOptions(args), { ...DEFAULTS, ...want }));
}

test('help takes precedence over everything else and names every default', () => {
  assert.is(parseOptions(['--help', '--version', '--health', 'x']), 'help');
  for (const text of [DEFAULTS.socket, DEFAULTS.nodeFile, '127.0.0.1:9746', '/run/netns', 'default 60'])
    assert.ok(USAGE.includes(text));
});

test('version takes precedence over invalid options', () => {
  assert.is(parseOptions(['--version', '--health', 'x']), 'version');
});

for (const address of ['', 'localhost', ':80', '127.0.0.1:', '::1:80', '127.0.0.1:65536', 'a:b']) {
  test(`--health ${JSON.stringify(address)} is rejected`, async () => {
    const error = await caught(() => parseOptions([`--health=${address}`]));
    const message = `Cannot read the options: --health: want HOST:PORT, got ${JSON.stringify(address)}; see --help`;
    assert.equal([error.code, error.message], ['INVALID_CONFIG', message]);
  });
}

for (const seconds of ['', '-1', '1.5', '1m', '86401', '1000000']) {
  test(`--scan-interval ${JSON.stringify(seconds)} is rejected`, async () => {
    const error = await caught(() => parseOptions([`--scan-interval=${seconds}`]));
    const want = `want seconds from 0 to 86400, got ${JSON.stringify(seconds)}`;
    assert.is(error.message, `Cannot read the options: --scan-interval: ${want}; see --help`);
  });
}

for (const [args, reason] of [
  [['--sockets', '/a'], "Unknown option '--sockets'"],
  [['--socket'], "Option '--socket <value>' argument missing"],
  [['--socket', '--health'], "Option '--socket' argument is ambiguous"],
  [['/a.b'], "Unexpected argument '/a.b'"],
] as const) {
  test(`${args.join(' ')} is rejected`, async () => {
    const error = await caught(() => parseOptions(args));
    assert.is(error.code, 'INVALID_CONFIG');
    assert.is(error.message, `Cannot read the options: ${reason}; see --help`);
  });
}

test.run();
