import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CREATE_TAP,
  DELETE_LINK,
  EXCHANGE,
  EXCHANGE_AT_HOME,
  WRITE_FILE,
} from '../../../../shared/native/parts.ts';
import { NLM_F_ACK, type Request } from '../../../../shared/netlink/message.ts';
import { encodePart } from '../../../../shared/netns/encode-part.ts';

const test = suite('the parts of a script');

const REQUEST: Request = { type: 16, flags: 0, body: [] };
/** Words of a netlink header: length, type and flags, number. */
const headerOf = (words: unknown, at = 0) => [...(words as Uint32Array)].slice(at, at + 3);
const HEADER = [16, 16 | ((NLM_F_ACK | 1) << 16)];

test('requests are numbered from the given one, and each asks for an acknowledgement', () => {
  const { encoded, next } = encodePart({ part: 'change', requests: [REQUEST, REQUEST] }, 7, -1);
  const [kind, words] = encoded as unknown as [number, Uint32Array];
  assert.equal([kind, next], [EXCHANGE, 9]);
  assert.equal(
    [headerOf(words), headerOf(words, 4)],
    [
      [...HEADER, 7],
      [...HEADER, 8],
    ],
  );
  const deletion = encodePart({ part: 'deleteLink', deletion: REQUEST }, 3, -1);
  assert.equal([deletion.encoded[0], deletion.next], [DELETE_LINK, 4]);
});

test('a part without a request has no number', () => {
  const tap = { ifname: 'tap0', ifindex: 0, multiQueue: false, owner: null, group: 107, labelled: null };
  assert.equal(encodePart({ part: 'createTap', tap }, 5, -1), {
    encoded: [CREATE_TAP, 'tap0', 0, false, -1, 107, null, null],
    next: 5,
  });
  const { encoded, next } = encodePart({ part: 'setIpv6', ifname: 'eth0', on: false }, 5, -1);
  assert.equal([encoded[0], encoded[2], next], [WRITE_FILE, 'eth0', 5]);
});

test('a request of the own netns is made for the descriptor of the other one', () => {
  const seen: number[] = [];
  const request = (netns: number) => {
    seen.push(netns);
    return REQUEST;
  };
  const { encoded, next } = encodePart({ part: 'changeAtHome', request }, 1, 12);
  assert.equal([encoded[0], next, seen], [EXCHANGE_AT_HOME, 2, [12]]);
});

test.run();
