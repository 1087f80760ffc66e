/** What a filter of a list of rules does, as a number that can be computed without the kernel. */
import { type Attributes, readBytes, readU32 } from '../netlink/attribute.ts';
import { ACTIONS, TCA_BPF_FLAG_ACT_DIRECT, TCA_BPF_FLAGS, TCA_BPF_OPS, TCA_U32_SEL } from './match.ts';

/** Mark and content of a filter that has a class id. */
export interface Rule {
  /**
   * Class id. It has no effect at the ingress of a link, but the kernel shows it, so it serves as a
   * mark.
   */
  readonly id: number;
  /**
   * Hash of what decides: of u32 the selector and whether there is an action, of bpf the program.
   */
  readonly content: number;
}

// linux/pkt_cls.h
export const TCA_U32_CLASSID = 1;
export const TCA_BPF_CLASSID = 3;
const SELECTOR_BYTES = 16; // struct tc_u32_sel: flags, shift, number of keys, …

/** What a u32 filter does with the frames that it matches. */
export type RuleAction = 'none' | 'redirect' | 'other';
const ACTION_NUMBERS = { none: 0, redirect: 1, other: 2 } as const satisfies Record<RuleAction, number>;

/** Decodes the rule of a filter; null if it has no class id, or if the kernel shows no content. */
export function decodeRule(kind: string, options: Attributes, isRedirect: boolean): Rule | null {
  if (kind === 'u32') {
    const [id, selector] = [readU32(options, TCA_U32_CLASSID), readBytes(options, TCA_U32_SEL)];
    if (id === undefined || selector === undefined || selector.length < SELECTOR_BYTES) return null;
    const hasAction = readBytes(options, ACTIONS.u32) !== undefined;
    const action = isRedirect ? 'redirect' : hasAction ? 'other' : 'none';
    return { id, content: selectorContent(selector, action) };
  }
  if (kind !== 'bpf') return null;
  const [id, program] = [readU32(options, TCA_BPF_CLASSID), readBytes(options, TCA_BPF_OPS)];
  if (id === undefined || program === undefined) return null;
  return { id, content: programContent(program, readU32(options, TCA_BPF_FLAGS) ?? 0) };
}

/**
 * Hashes the flags, the number of keys and the keys of a selector.
 *
 * @param selector struct tc_u32_sel with its keys
 */
export const selectorContent = (selector: Buffer, action: RuleAction): number =>
  fnv1a([
    Buffer.of(selector.readUInt8(0), selector.readUInt8(2), ACTION_NUMBERS[action]),
    selector.subarray(SELECTOR_BYTES),
  ]);

/** Hashes a classic BPF program. @param flags TCA_BPF_FLAGS; absent, in direct-action mode */
export const programContent = (program: Buffer, flags: number = TCA_BPF_FLAG_ACT_DIRECT): number =>
  fnv1a([Buffer.from(Uint32Array.of(flags).buffer), program]);

/** FNV-1a with 32 bits. */
function fnv1a(parts: readonly Buffer[]): number {
  const [OFFSET_BASIS, PRIME] = [0x811c9dc5, 0x01000193];
  let hash = OFFSET_BASIS;
  for (const part of parts) for (const byte of part) hash = Math.imul(hash ^ byte, PRIME);
  return hash >>> 0;
}
