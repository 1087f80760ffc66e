/** Reads the kernel's replies to requests: refusals and their reasons. */

import { toError } from '../errors.ts';
import { describeFailure, isUnanswered, native } from '../native/native.ts';
import { decodeAttributes, readText } from '../netlink/attribute.ts';
import { decodeMessages, type Message, NLM_F_ACK_TLVS, NLMSG_ERROR, TOO_MUCH } from '../netlink/message.ts';
import type { Part, PartOutcome, Refusal, RequestOutcome } from './part.ts';

// Error number, header of the request (without its body, because of NETLINK_CAP_ACK).
const NLMSG_ERROR_BYTES = 4 + 16;
const NLMSGERR_ATTR_MSG = 1;
const NLMSG_DONE = 3;
/** What the addon, and no dump of the kernel, says of a reply that is longer than its limit. */
const EOVERFLOW = 75;
const ENDS = [NLMSG_ERROR, NLMSG_DONE];

/**
 * Reads the outcome of each request of a part.
 *
 * @param outcome as native.run returns it: the kernel's replies, an error for the whole part, null
 *   if the part is done without replies, or undefined if it was not reached
 * @param first number of the part's first request
 */
export function readOutcome(
  outcome: Buffer | Error | null | undefined,
  part: Part,
  first: number,
): PartOutcome {
  if (outcome === undefined) return 'notReached';
  const count = part.part === 'change' ? part.requests.length : 1;
  if (outcome !== null && !Buffer.isBuffer(outcome)) return Array(count).fill(failureOf(outcome));
  const outcomes: RequestOutcome[] = Array(count).fill('done');
  for (const message of outcome === null ? [] : decodeMessages(outcome))
    outcomes[message.seq - first] = readRefusal(message) ?? 'done';
  return outcomes;
}

function failureOf(error: Error): Refusal {
  const reason = describeFailure(error);
  const errno = (toError(error) as NodeJS.ErrnoException).errno ?? 0;
  return isUnanswered(error) ? { errno, reason, isUnanswered: true } : { errno, reason };
}

/** The reply to a query. */
export interface Dump {
  /** Messages without the final one. */
  readonly messages: readonly Message[];
  /** Why there are no more; null if the reply is complete. */
  readonly refused: string | null;
}

/** Reads the messages of a reply. A query for a single object has only one, or a refusal. */
export function readDump(messages: readonly Message[]): Dump {
  const end = messages.at(-1);
  if (end === undefined || !ENDS.includes(end.type)) return { messages, refused: null };
  return { messages: messages.slice(0, -1), refused: readRefusal(end)?.reason ?? null };
}

/**
 * Reads an error or done message: a negative errno, then the kernel's explanation if there is one.
 * Returns null if the errno is 0.
 */
function readRefusal({ type, flags, body }: Message): Refusal | null {
  const errno = body.length < 4 ? 0 : -body.readInt32LE(0);
  if (errno === 0) return null;
  const explained =
    (flags & NLM_F_ACK_TLVS) === 0
      ? undefined
      : readText(decodeAttributes(body, type === NLMSG_ERROR ? NLMSG_ERROR_BYTES : 4), NLMSGERR_ATTR_MSG);
  const meaning = errno === EOVERFLOW ? TOO_MUCH : native.strerror(errno);
  return {
    errno,
    reason: explained === undefined ? meaning : `${explained.replace(/\.$/, '')} (${meaning})`,
  };
}
