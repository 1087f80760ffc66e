import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  announcementOf,
  farewellOf,
} from '../../../../../sidecar/services/router-advertisement/announcement.ts';
import { guestWith, IPV6_GUEST } from '../../../../helpers/sidecar/ipv6-guest.ts';

const test = suite('what a router announces');

const NETWORK = guestWith({ router: 'fe80::a', routes: ['fd00:a::/48'] });
const NO_DEFAULT = guestWith({ router: 'fe80::a', isDefaultRouter: false });
const NO_IPV6 = { ...IPV6_GUEST, ipv6: null };

test('announcementOf() has a lifetime only for the router of all destinations', () => {
  const announcement = { router: 'fe80::a', lifetime: 1800, network: NETWORK, validity: 1800 };
  assert.equal(announcementOf(NETWORK), announcement);
  assert.equal(announcementOf(NO_DEFAULT), { ...announcement, lifetime: 0, network: NO_DEFAULT });
  assert.is(announcementOf(NO_IPV6), null);
});

test('farewellOf() withdraws the router and all that it announced', () => {
  assert.equal(farewellOf(NETWORK), { router: 'fe80::a', lifetime: 0, network: NETWORK, validity: 0 });
  assert.is(farewellOf(NO_IPV6), null);
});

test.run();
