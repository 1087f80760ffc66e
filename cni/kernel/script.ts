import type { Request } from '../../shared/netlink/message.ts';
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
  /** Requests of the last part, if the next op of this level can add to them. */
  let open: Request[] | null = null;

  return {
    get ops() {
      return places.map(({ op }) => op);
    },
    parts,
    add(op, part) {
      const requests = part.part === 'change' ? part.requests : null;
      const from = requests === null || open === null ? 0 : open.length;
      if (requests === null || open === null) {
        open = requests && [...requests];
        parts.push(open === null ? part : { part: 'change', requests: open });
      } else for (const request of requests) open.push(request);
      places.push({ op, part: parts.length - 1, from, to: from + (requests?.length ?? 1) });
    },
    endLevel() {
      open = null;
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
