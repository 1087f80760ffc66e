import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { affectedBy } from '../../../../daemonset/device-plugin/affected.ts';
import type { Message } from '../../../../shared/netlink/message.ts';

const test = suite('affectedBy()');

const SHARED = { lowerDevice: 'eth1', ifindex: 7, isForOne: false };
const FOR_ONE = { lowerDevice: 'eth2', ifindex: 8, isForOne: true };
const MISSING = { lowerDevice: 'eth3', ifindex: null, isForOne: false };
const ALL = [SHARED, FOR_ONE, MISSING];

const message = (type: number, body: Buffer): Message => ({ type, flags: 0, seq: 0, body });

/** An event with `struct ifinfomsg` and the link's name. */
function linkEvent(type: number, ifname: string, ifindex: number): Message {
  const name = Buffer.from(`${ifname}\0`);
  const head = Buffer.alloc(16);
  head.writeInt32LE(ifindex, 4);
  const attribute = Buffer.alloc(4 + Math.ceil(name.length / 4) * 4);
  attribute.writeUInt16LE(4 + name.length, 0);
  attribute.writeUInt16LE(3, 2); // IFLA_IFNAME
  name.copy(attribute, 4);
  return message(type, Buffer.concat([head, attribute]));
}

/** An event with `struct ifaddrmsg`. */
function addressEvent(type: number, ifindex: number): Message {
  const body = Buffer.alloc(8);
  body.writeUInt32LE(ifindex, 4);
  return message(type, body);
}

/** An event with `struct rtmsg`. */
function routeEvent(type: number, prefixLength: number): Message {
  const body = Buffer.alloc(12);
  body[1] = prefixLength;
  return message(type, body);
}

test('an event of a link concerns the lower device of that name, or of that ifindex', () => {
  assert.equal(affectedBy(linkEvent(16, 'eth1', 7), ALL), ['eth1']);
  assert.equal(affectedBy(linkEvent(17, 'eth1', 7), ALL), ['eth1'], 'deleted');
  assert.equal(affectedBy(linkEvent(16, 'old1', 7), ALL), ['eth1'], 'renamed');
  assert.equal(affectedBy(linkEvent(16, 'eth3', 9), ALL), ['eth3'], 'created');
  assert.equal(affectedBy(linkEvent(16, 'eth1', 8), ALL), ['eth1', 'eth2'], 'two at once');
});

test("events of pods' links concern none", () => {
  assert.equal(affectedBy(linkEvent(16, 'veth12', 70), ALL), []);
  assert.equal(affectedBy(linkEvent(17, 'veth12', 70), ALL), []);
});

test('addresses and the default route concern a device that one VM takes', () => {
  for (const type of [20, 21]) {
    assert.equal(affectedBy(addressEvent(type, 8), ALL), ['eth2'], `type ${type}`);
    assert.equal(affectedBy(addressEvent(type, 7), ALL), [], `type ${type}, of a shared device`);
    assert.equal(affectedBy(addressEvent(type, 99), ALL), [], `type ${type}, of another link`);
  }
  for (const type of [24, 25]) {
    assert.equal(affectedBy(routeEvent(type, 0), ALL), ['eth2'], `type ${type}`);
    assert.equal(affectedBy(routeEvent(type, 24), ALL), [], `type ${type}, of a network`);
  }
});

test('an event that is too short may concern any device; other types concern none', () => {
  assert.equal(affectedBy(message(16, Buffer.alloc(3)), ALL), ['eth1', 'eth2', 'eth3']);
  assert.equal(affectedBy(message(20, Buffer.alloc(3)), ALL), ['eth2']);
  assert.equal(affectedBy(message(24, Buffer.alloc(0)), ALL), ['eth2']);
  assert.equal(affectedBy(message(2, Buffer.alloc(20)), ALL), []);
});

test.run();
