import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Attachment } from '../../../../../cni/bindings/tap/attachment.ts';
import { refuseOtherAttachment } from '../../../../../cni/bindings/tap/other-attachments.ts';
import type { NetnsState } from '../../../../../cni/plan/seen.ts';
import { encodeRecord, OPEN_PASSAGE } from '../../../../../shared/record.ts';
import { caught } from '../../../../helpers/caught.ts';
import {
  BARE,
  ETH0,
  endsIn,
  KEY,
  LO,
  linkOf,
  OTHER,
  redirectOf,
  tapConf,
  tapOf,
  wired,
} from '../../../../helpers/pod/seen.ts';

const test = suite('refuseOtherAttachment()');

const NET2 = { ...KEY, ifname: 'net2' };
const BLUE = 'pod16477688c0e';

const attachmentOf = (network: string | null, changes: Partial<Attachment> = {}): Attachment => ({
  key: NET2,
  podLink: 'eth0',
  tap: 'tap0',
  conf: tapConf({ args: { cni: { logicNetworkName: network } } }),
  ...changes,
});
const refuse = (attachment: Attachment, seen: NetnsState) =>
  refuseOtherAttachment(attachment, endsIn(seen, attachment));

/** A pod link of another name that `net1` has wired. */
const wiredAs = (podLink: string, tap = 'tap16477688c0e') => {
  const record = {
    key: KEY,
    binding: 'tap' as const,
    podLink,
    mtu: 1500,
    restore: { clsact: true, allmulti: false, noQueue: false, down: false, silence: false },
    told: [],
    passage: OPEN_PASSAGE,
  };
  return wired({ links: [LO, linkOf(2, podLink), tapOf({ ifname: tap, ifalias: encodeRecord(record) })] });
};

for (const [why, attachment, seen, message] of [
  [
    'a second binding that takes the primary link',
    attachmentOf('blue'),
    wired(),
    'Cannot wire network "blue" ("net2") to "eth0": attachment "net1" of this pod has wired "eth0" to "tap0" already; ' +
      `network "blue" has no link "${BLUE}" of its own in the pod, so it was taken for the primary one: ` +
      'name a network that makes a link, and bind the primary network once',
  ],
  [
    'a second binding that takes the primary tap for another link',
    attachmentOf('blue', { podLink: 'ens5' }),
    wired({ links: [LO, ETH0, linkOf(9, 'ens5'), tapOf()] }),
    'Cannot wire network "blue" ("net2") to "ens5": attachment "net1" of this pod has wired "eth0" to "tap0" already; ' +
      `network "blue" has no link "${BLUE}" of its own in the pod, so it was taken for the primary one: ` +
      'name a network that makes a link, and bind the primary network once',
  ],
  [
    'a binding of a network whose own NAD has run Tapwire',
    attachmentOf('blue', { podLink: BLUE, tap: 'tap16477688c0e' }),
    wiredAs(BLUE),
    `Cannot wire network "blue" ("net2") to "${BLUE}": attachment "net1" of this pod has wired "${BLUE}" to "tap16477688c0e" already; ` +
      'run Tapwire once for each network, by its binding or by its NetworkAttachmentDefinition',
  ],
  [
    'a network whose link another attachment has wired to another tap',
    attachmentOf(null, { key: { ...KEY, ifname: BLUE }, podLink: BLUE, tap: 'tap16477688c0e' }),
    wiredAs(BLUE, 'tap0'),
    `Cannot wire attachment "${BLUE}" to "${BLUE}": attachment "net1" of this pod has wired "${BLUE}" to "tap0" already; ` +
      'run Tapwire once for each network, by its binding or by its NetworkAttachmentDefinition',
  ],
] as const) {
  test(`rejects ${why}`, async () => {
    const error = await caught(() => refuse(attachment, seen));
    assert.equal([error.code, error.message], ['LINK_EXISTS', message]);
  });
}

for (const [why, attachment, seen] of [
  ['a pod without other attachments', attachmentOf('default'), BARE],
  ['the same attachment again', attachmentOf('default', { key: KEY }), wired()],
  [
    'another link than the wired one',
    attachmentOf('blue', { podLink: BLUE, tap: 'tap16477688c0e' }),
    wired(),
  ],
  [
    'a tap whose redirect is gone',
    attachmentOf('blue', { podLink: 'eth0', tap: 'tap9' }),
    wired({ filters: [redirectOf(3, 2)] }),
  ],
  ...[{ direction: 'egress' as const }, { chain: 1 }].map(
    (elsewhere) =>
      [
        `a redirect where no frame arrives: ${JSON.stringify(elsewhere)}`,
        attachmentOf('blue', { podLink: 'eth0', tap: 'tap9' }),
        wired({ filters: [{ ...redirectOf(2, 3), ...elsewhere }] }),
      ] as const,
  ),
  [
    "another container's tap, which another check rejects",
    attachmentOf('default'),
    wired({ links: [LO, ETH0, tapOf({}, OTHER)] }),
  ],
  [
    'a link of that name that is not a tap',
    attachmentOf('default'),
    { ...BARE, links: [LO, ETH0, linkOf(3, 'tap0')] },
  ],
] as const) {
  test(`accepts ${why}`, () => refuse(attachment, seen));
}

test.run();
