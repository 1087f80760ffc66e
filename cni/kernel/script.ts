import type { Part, PartOutcome } from '../../shared/netns/part.ts';
import type { Op, Outcome } from '../plan/op.ts';
import { toOutcome } from './refusal.ts';

/** Ops that are sent to the kernel together. */
export interface Script {
  readonly ops: readonly Op[];
  readonly parts: readonly Part[];
  /** Appends an op. Requests of one level become one part. */
  add(op: Op, part: Part): void;
  endLevel(): void;
  /** Converts the outcomes of the parts to one outcome for each op. */
  outcomesOf(parts: readonly PartOutcome[]): readonly Outcome[];
}

export function newScript(): Script {
  const parts: Part[] = [];
  /** For each op: the index of its part, and the range of its requests there. */
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
