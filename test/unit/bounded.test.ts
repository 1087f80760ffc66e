/** A pod can have any number of links and filters. What Tapwire says of them stays short. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { resolveAttachment } from '../../cni/bindings/tap/attachment.ts';
import { findDefects, refuseDefects } from '../../cni/bindings/tap/check.ts';
import { requirePodLink } from '../../cni/bindings/tap/pod-link.ts';
import { attempt } from '../../cni/plan/apply.ts';
import { listSome } from '../../shared/list-some.ts';
import { caught } from '../helpers/caught.ts';
import {
  attachmentOf,
  clsactOf,
  endsIn,
  KEY,
  linkOf,
  redirectOf,
  tapConf,
  wired,
} from '../helpers/pod/seen.ts';

const test = suite('messages about a pod with 10,000 links');

const COUNT = 10_000;
/** Maximum length of a message with its details, in UTF-16 units. */
const MAX_LENGTH = 2000;

const others = Array.from({ length: COUNT }, (_, i) => linkOf(i + 10, `net${i}`));
const filters = others.map(({ ifindex }) => redirectOf(ifindex, 3));
const qdiscs = others.map(({ ifindex }) => clsactOf(ifindex));
const CROWDED = endsIn(wired({ links: others, qdiscs, filters }));
const attachment = attachmentOf();

for (const [why, act] of [
  ['ADD without a pod link', () => requirePodLink(attachment, CROWDED)],
  [
    'ADD of a network with an ordinal name',
    () => resolveAttachment(KEY, tapConf({ args: { cni: { logicNetworkName: 'red' } } }), others),
  ],
  ['CHECK', () => refuseDefects(findDefects(attachment, CROWDED), attachment, CROWDED)],
  [
    'CHECK with many defects',
    () =>
      refuseDefects(
        others.map(({ ifname }) => `"${ifname}" is odd`),
        attachment,
        CROWDED,
      ),
  ],
] as const) {
  test(`${why} is rejected in a short message`, async () => {
    const { message, details = '' } = await caught(act);
    assert.ok(message.length + details.length < MAX_LENGTH, `${message}\n${details}`);
  });
}

test('failures of DEL and of a rollback are listed in part', async () => {
  const run = async () => others.map(({ ifname }) => new Error(`Cannot delete "${ifname}": busy`));
  const failures = await attempt([], run);
  assert.is(failures.length, COUNT);
  assert.ok(listSome(failures, '; ').length < MAX_LENGTH);
});

test.run();
