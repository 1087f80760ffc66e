import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { searchDomainsOf } from '../../../../sidecar/pod/resolv-conf.ts';

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
