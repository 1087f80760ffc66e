import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { confFindings } from '../../../../cli/doctor/conf-findings.ts';
import type { CniConf, ConfDirectory } from '../../../../cli/doctor/facts.ts';

const test = suite('confFindings()');

const MULTUS = { multus: { binDirectory: null } };
const conf = (name: string, changes: Partial<CniConf> = {}): CniConf => ({
  name,
  problem: null,
  multus: null,
  hasTapwire: false,
  ...changes,
});
const multus = (name: string): CniConf => conf(name, MULTUS);
const broken = (name: string): CniConf => conf(name, { problem: 'it is not JSON' });

const directory = (confs: readonly CniConf[], changes: Partial<ConfDirectory> = {}): ConfDirectory => ({
  path: '/etc/cni/net.d',
  platform: null,
  confs,
  renamed: [],
  ...changes,
});
const K3S = { path: '/k3s/net.d', platform: 'k3s' } as const;

const CASES: readonly (readonly [string, readonly ConfDirectory[], readonly string[]])[] = [
  [
    'Multus first',
    [directory([multus('00-multus.conf'), conf('10-calico.conflist')])],
    ['ok: /etc/cni/net.d/00-multus.conf comes first and calls Multus'],
  ],
  [
    'another file first',
    [directory([conf('00-kube-ovn.conflist'), multus('00-multus.conf')])],
    [
      "error: /etc/cni/net.d/00-kube-ovn.conflist comes before Multus' 00-multus.conf, and the container runtime uses only " +
        'the first: no binding is called',
    ],
  ],
  [
    'a broken file first',
    [directory([broken('00-a.conf'), multus('00-multus.conf')])],
    [
      'warning: /etc/cni/net.d/00-a.conf cannot be used: it is not JSON; containerd uses no file after it, CRI-O skips it',
    ],
  ],
  [
    'a broken file, then another, then Multus',
    [directory([broken('00-a.conf'), conf('05-cilium.conflist'), multus('10-multus.conf')])],
    [
      'warning: /etc/cni/net.d/00-a.conf cannot be used: it is not JSON; containerd uses no file after it, CRI-O skips it',
      "error: /etc/cni/net.d/05-cilium.conflist comes before Multus' 10-multus.conf, and the container runtime uses only " +
        'the first: no binding is called',
    ],
  ],
  [
    'a broken file after Multus',
    [directory([multus('00-multus.conf'), broken('10-a.conf')])],
    [
      'ok: /etc/cni/net.d/00-multus.conf comes first and calls Multus',
      'warning: /etc/cni/net.d/10-a.conf cannot be used: it is not JSON',
    ],
  ],
  [
    "Multus' file is broken",
    [directory([conf('00-multus.conf', { ...MULTUS, problem: 'it has no "type"' })])],
    [
      'warning: /etc/cni/net.d/00-multus.conf cannot be used: it has no "type"; containerd uses no file after it, CRI-O skips it',
      'warning: there is no Multus in /etc/cni/net.d, and only Multus calls bindings',
    ],
  ],
  [
    'Cilium renamed Multus',
    [directory([conf('05-cilium.conflist')], { renamed: ['00-multus.conf.cilium_bak'] })],
    [
      "error: Cilium has renamed Multus' 00-multus.conf to /etc/cni/net.d/00-multus.conf.cilium_bak: no binding is called",
    ],
  ],
  [
    'Cilium renamed Multus once, and Multus is first again',
    [
      directory([multus('00-multus.conf'), conf('05-cilium.conflist')], {
        renamed: ['00-multus.conf.cilium_bak'],
      }),
    ],
    ['ok: /etc/cni/net.d/00-multus.conf comes first and calls Multus'],
  ],
  [
    'Tapwire in the default network',
    [directory([conf('00-multus.conf', { ...MULTUS, hasTapwire: true })])],
    [
      'ok: /etc/cni/net.d/00-multus.conf comes first and calls Multus',
      'error: /etc/cni/net.d/00-multus.conf has type "tapwire", which would take the network of every pod',
    ],
  ],
  ['no directory', [], ['warning: no directory of CNI configurations exists']],
  [
    'an empty directory',
    [directory([])],
    ['warning: there is no Multus in /etc/cni/net.d, and only Multus calls bindings'],
  ],
  [
    "k3s' directory, and an empty one",
    [directory([multus('00-multus.conf')], K3S), directory([])],
    ['ok: /k3s/net.d/00-multus.conf comes first and calls Multus'],
  ],
  [
    "k3s' directory, and one that k3s does not read",
    [directory([multus('00-multus.conf')], K3S), directory([conf('87-podman.conflist')])],
    ['ok: /k3s/net.d/00-multus.conf comes first and calls Multus; k3s does not read /etc/cni/net.d'],
  ],
  [
    'Multus where k3s does not read it',
    [directory([conf('10-flannel.conflist')], K3S), directory([multus('00-multus.conf')])],
    ["error: Multus' configuration is in /etc/cni/net.d, but k3s reads /k3s/net.d"],
  ],
  [
    "k3s' directory is empty, as without its flannel",
    [directory([], K3S), directory([multus('00-multus.conf')])],
    ['ok: /etc/cni/net.d/00-multus.conf comes first and calls Multus'],
  ],
  [
    'both are empty',
    [directory([], K3S), directory([])],
    ['warning: there is no Multus in /etc/cni/net.d, and only Multus calls bindings'],
  ],
];
for (const [title, directories, want] of CASES) {
  test(`${title} gives ${want[0]}`, () => {
    const findings = confFindings(directories);
    assert.equal(
      findings.map(({ severity, found }) => `${severity}: ${found}`),
      want,
    );
    assert.ok(findings.every(({ severity, advice }) => (severity === 'ok') === (advice === null)));
  });
}

test.run();
