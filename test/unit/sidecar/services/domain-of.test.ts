import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { domainOf } from '../../../../sidecar/services/domain-of.ts';

const test = suite('domainOf()');

const POD = ['vms.svc.cluster.local', 'svc.cluster.local', 'cluster.local'];

for (const [why, search, subdomain, domain, searchDomains] of [
  ['returns the longest domain', POD, '', POD[0], POD],
  ['returns the first of the longest', ['a.b', 'c.d'], '', 'a.b', ['a.b', 'c.d']],
  ['returns null without a domain', [], '', null, []],
  ['does not make up a domain for a subdomain', [], 'sub', null, []],
  ['puts the domain of the subdomain first', POD, 'sub', `sub.${POD[0]}`, [`sub.${POD[0]}`, ...POD]],
  [
    'adds the subdomain to the longest domain of a service, wherever it is',
    ['svc.cluster.local', 'vms.svc.cluster.local', 'not.of.a.service.but.long.enough.test'],
    'sub',
    'not.of.a.service.but.long.enough.test',
    [
      'sub.vms.svc.cluster.local',
      'svc.cluster.local',
      'vms.svc.cluster.local',
      'not.of.a.service.but.long.enough.test',
    ],
  ],
  ['adds nothing without a domain of a service', ['example.test'], 'sub', 'example.test', ['example.test']],
  [
    'adds nothing if the pod has the domain of the subdomain',
    ['sub.vms.svc.cluster.local', ...POD],
    'sub',
    'sub.vms.svc.cluster.local',
    ['sub.vms.svc.cluster.local', ...POD],
  ],
  [
    'compares whole labels of the subdomain',
    ['subway.svc.cluster.local'],
    'sub',
    'sub.subway.svc.cluster.local',
    ['sub.subway.svc.cluster.local', 'subway.svc.cluster.local'],
  ],
  ['returns lower case', ['VMS.svc.Cluster.local'], '', 'vms.svc.cluster.local', ['vms.svc.cluster.local']],
] as const) {
  test(`domainOf() ${why}`, () => {
    assert.equal(domainOf(search, subdomain), { domain, searchDomains });
  });
}

test.run();
