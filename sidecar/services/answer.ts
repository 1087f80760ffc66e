/** What a server does with one message of the guest. */
export type Answer = Reply | Silence;

export interface Reply {
  readonly reply: Buffer;
  /** Name of the message that is the reply, such as `ACK` or `Advertise`. */
  readonly name: string;
  /** Addresses that the guest has from now on; null if the reply does not assign any. */
  readonly assigned: readonly string[] | null;
  /** What the message says of a fault, as the end of a sentence. */
  readonly warning?: string;
}

export interface Silence {
  readonly reply: null;
  /**
   * Why there is no reply, as the end of a sentence: `it names another server`. Has no text of the
   * message, and one of few values, so that each can be logged once.
   */
  readonly reason: string;
  /** Whether the protocol has no reply to such a message, so that nothing is wrong. */
  readonly isNormal: boolean;
}

/** A message that belongs to the protocol, but gets no reply. */
export const silence = (reason: string, isNormal = false): Silence => ({ reply: null, reason, isNormal });
