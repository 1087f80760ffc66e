import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nameserversOf, searchDomainsOf } from '../../../../sidecar/pod/resolv-conf.ts';

const search = suite('searchDomainsOf()');

for (const [why, text, want] of [
  ['nothing', '', []],
  [
    "kubelet's file",
    'search lab.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n',
    ['lab.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
  ],
  ['tabs and blanks', 'search \t a.b  c.d\t\nnameserver 1.1.1.1', ['a.b', 'c.d']],
  ['the last of several', 'domain a.b\nsearch c.d\n', ['c.d']],
  ['a comment and a word that only starts the same', '#search a\nsearchx b\n', []],
] as const) {
  search(why, () => assert.equal(searchDomainsOf(text), want));
}

search.run();

const servers = suite('nameserversOf()');

for (const [why, text, want] of [
  ['nothing', 'search a.b\n', []],
  ["kubelet's file", 'search a.b\nnameserver 10.96.0.10\nnameserver fd00::a\n', ['10.96.0.10', 'fd00::a']],
  [
    'what only the pod itself can reach',
    'nameserver 127.0.0.53\nnameserver ::1\nnameserver fe80::1%eth0\n',
    [],
  ],
  ['what is not an address', 'nameserver dns.example\n#nameserver 192.0.2.1\nnameserver\n', []],
] as const) {
  servers(why, () => assert.equal(nameserversOf(text), want));
}

servers.run();
