import type { Part, PartOutcome } from '../../shared/netns/part.ts';
import type { Op, Outcome } from '../plan/op.ts';
import { toOutcome } from './refusal.ts';

/** Ops on their way to the kernel, together. */
export interface Script {
  readonly ops: readonly Op[];
  readonly parts: readonly Part[];
  /** Requests of one level go out as one part. */
  add(op: Op, part: Part): void;
  endLevel(): void;
  /** What became of each op. */
  outcomesOf(parts: readonly PartOutcome[]): readonly Outcome[];
}

export function newScript(): Script {
  const parts: Part[] = [];
  /** Of each op: which part it is in, and its requests there. */
  const places: { readonly op: Op; readonly part: number; readonly from: number; readonly to: number }[] = [];
  let isLevelOpen = false;

  return {
    get ops() {
      return places.map(({ op }) => op);
    },
    parts,
    add(op, part) {
      const last = parts.at(-1);
      if (part.part !== 'change') parts.push(part);
      else if (isLevelOpen && last?.part === 'change') {
        const from = last.requests.length;
        parts[parts.length - 1] = { part: 'change', requests: [...last.requests, ...part.requests] };
        places.push({ op, part: parts.length - 1, from, to: from + part.requests.length });
        return;
      } else parts.push(part);
      const count = part.part === 'change' ? part.requests.length : 1;
      places.push({ op, part: parts.length - 1, from: 0, to: count });
      isLevelOpen = true;
    },
    endLevel() {
      isLevelOpen = false;
    },
    outcomesOf(outcomes) {
      return places.map(({ op, part, from, to }) => {
        const ofPart = outcomes[part] ?? 'notReached';
        if (ofPart === 'notReached') return ofPart;
        const refusal = ofPart.slice(from, to).find((outcome) => outcome !== 'done');
        return refusal === undefined ? 'done' : toOutcome(op, refusal);
      });
    },
  };
}
