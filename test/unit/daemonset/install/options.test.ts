import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseOptions, USAGE } from '../../../../daemonset/install/options.ts';
import { caught } from '../../../helpers/caught.ts';

const test = suite('parseOptions()');

const INSTALL = {
  command: 'install',
  binDirectory: '/opt/cni/bin',
  source: '/app/../cni',
  hasFallback: true,
};
const UNINSTALL = {
  command: 'uninstall',
  binDirectory: '/opt/cni/bin',
  agentSocket: '/run/tapwire/agent.sock',
};

for (const [why, args, want] of [
  ['nothing', [], INSTALL],
  ['install', ['install'], INSTALL],
  ['another directory', ['--cni-bin-dir', '/bin'], { ...INSTALL, binDirectory: '/bin' }],
  ['another source', ['install', '--from=/x'], { ...INSTALL, source: '/x' }],
  ['no fallback', ['--no-fallback'], { ...INSTALL, hasFallback: false }],
  ['uninstall', ['uninstall'], UNINSTALL],
  ['uninstall of an installation without the fallback', ['uninstall', '--no-fallback'], UNINSTALL],
  [
    'uninstall from another directory',
    ['uninstall', '--cni-bin-dir=/bin', '--agent-socket=/s'],
    { ...UNINSTALL, binDirectory: '/bin', agentSocket: '/s' },
  ],
] as const) {
  test(why, () => assert.equal(parseOptions(args, '/app'), want));
}

test('help takes precedence over everything else and names every default', () => {
  assert.is(parseOptions(['remove', '--help', '--version'], '/app'), 'help');
  for (const text of ['/opt/cni/bin', UNINSTALL.agentSocket, '--no-fallback', '--from'])
    assert.ok(USAGE.includes(text));
});

test('version takes precedence over every command', () => {
  assert.is(parseOptions(['remove', '--version'], '/app'), 'version');
});

for (const [args, reason] of [
  [['remove'], 'want install or uninstall, got "remove"'],
  [['install', 'uninstall'], 'want install or uninstall, got "install uninstall"'],
  [['--agent-socket', '/s'], 'install has no option --agent-socket'],
  [['uninstall', '--from', '/x'], 'uninstall has no option --from'],
  [['--bin'], "Unknown option '--bin'"],
  [['--from'], "Option '--from <value>' argument missing"],
] as const) {
  test(`${args.join(' ')} is rejected`, async () => {
    const { code, message } = await caught(() => parseOptions(args, '/app'));
    assert.is(code, 'INVALID_CONFIG');
    assert.is(message, `Cannot read the options: ${reason}; see --help`);
  });
}

test.run();
