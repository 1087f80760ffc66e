/** Validates the domains that the sidecar returns against libvirt's own schema. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defineDomain } from '../../sidecar/define-domain.ts';
import { readSettings } from '../../sidecar/settings.ts';
import { definedAsIs, podVmi } from '../helpers/sidecar/defined.ts';
import { domainFixture, domainFixtures } from '../helpers/sidecar/domain-fixtures.ts';
import { macvtapLink, observing, podLinks, tapLink, vmiJson } from '../helpers/sidecar/vmi.ts';

/**
 * Its namespaces are not well-formed when the sidecar gets it. That is virt-launcher's bug, which
 * the sidecar does not fix.
 */
const INVALID = ['qemu-commandline-unbound'];

/**
 * In these documents it is the interface `red` that stays as it is when another one is bound by
 * Tapwire.
 */
const INVALID_BESIDE = [...INVALID, 'lossy-driver'];

async function validate(xml: Uint8Array): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-domain-'));
  try {
    writeFileSync(`${directory}/domain.xml`, xml);
    const { exitCode, all } = await execa('virt-xml-validate', [`${directory}/domain.xml`, 'domain'], {
      all: true,
      reject: false,
    });
    return exitCode === 0 ? 'valid' : all;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const red = {
  macAddress: '02:00:00:aa:00:11',
  pciAddress: '0000:0a:1f.7',
  acpiIndex: 3,
  bootOrder: 1,
  state: 'down',
};
const mqLinks = podLinks.map((link) =>
  link.tun === null ? link : tapLink(link.ifname, { multiQueue: true }),
);

const valid = suite('virt-xml-validate');

for (const { name, xml } of domainFixtures.filter((fixture) => !INVALID.includes(fixture.name))) {
  valid(`virt-xml-validate accepts the result for ${name}`, async () => {
    const { domainXml } = await defineDomain(
      { domainXml: xml, vmi: vmiJson() },
      readSettings({}),
      observing(podLinks),
    );
    assert.is(await validate(domainXml), 'valid');
  });
}

valid('virt-xml-validate accepts everything that a VMI can request on a multi-queue tap', async () => {
  for (const { name, xml } of domainFixtures.filter((fixture) =>
    ['no-interface', 'virt-launcher'].includes(fixture.name),
  )) {
    const { domainXml } = await defineDomain(
      { domainXml: xml, vmi: vmiJson({ red }) },
      readSettings({}),
      observing(mqLinks),
    );
    assert.is(await validate(domainXml), 'valid', name);
  }
});

valid('virt-xml-validate accepts everything that a VMI can request on a macvtap', async () => {
  const links = [macvtapLink('podb1f51a511f1', { mtu: 9000 })];
  const vmi = {
    red: { ...red, binding: { name: 'tapwire-macvtap' } },
    devices: { networkInterfaceMultiqueue: true },
  };
  for (const { name, xml } of domainFixtures.filter((fixture) => !INVALID_BESIDE.includes(fixture.name))) {
    const answer = await definedAsIs(xml.toString(), { vmi, links });
    assert.is(await validate(Buffer.from(answer)), 'valid', name);
    assert.match(answer, '<target dev="podb1f51a511f1" managed="no"');
  }
});

const everything = { ...red, ports: [{ port: 80 }, { protocol: 'UDP', port: 53 }] };
const istio = { metadata: { annotations: { 'sidecar.istio.io/inject': 'true' } } };

// Not passt over vhost-user: libvirt's schema has it since 11.1, and Debian's version is 9.0.
for (const [why, vmi, env] of [
  ['slirp', podVmi('tapwire-slirp'), {}],
  ['slirp with everything that a VMI can request', podVmi('tapwire-slirp', everything), {}],
  ['passt through a socket', podVmi('tapwire-passt'), { TAPWIRE_PASST_BACKEND: 'user' }],
  [
    'passt through a socket with everything that a VMI can request',
    { ...podVmi('tapwire-passt', everything), ...istio },
    { TAPWIRE_PASST_BACKEND: 'user' },
  ],
  ['passt with a model of its own', podVmi('tapwire-passt', { model: 'e1000e' }), {}],
  [
    'slirp in a confidential guest',
    { ...podVmi('tapwire-slirp'), domain: { launchSecurity: { sev: {} } } },
    {},
  ],
] as const) {
  valid(`virt-xml-validate accepts ${why}, whatever the shape of the domain`, async () => {
    for (const { name, xml } of domainFixtures.filter((fixture) => !INVALID_BESIDE.includes(fixture.name))) {
      const answer = await definedAsIs(xml.toString(), { vmi, env });
      assert.is(await validate(Buffer.from(answer)), 'valid', name);
    }
  });
}

valid('virt-xml-validate accepts the memory backing that vhost-user needs', async () => {
  const { xml } = domainFixture('virt-launcher');
  const answer = await definedAsIs(xml.toString(), { vmi: podVmi('tapwire-passt') });
  const without = answer.replace(/<interface type="vhostuser">[\s\S]*?<\/interface>/, '');
  assert.match(without, '<memoryBacking>');
  assert.is(await validate(Buffer.from(without)), 'valid');
});

valid('virt-xml-validate rejects a wrong domain, which shows that it works', async () => {
  assert.match(await validate(Buffer.from('<domain type="kvm"><nonsense/></domain>')), /fails to validate/);
});

valid.run();
