/** Arranges a list of rules so that no word of a frame is compared more often than necessary. */
import type { FrameRule, Key } from '../frame-match.ts';

type Verdict = FrameRule['verdict'];

/** A step of a decision. A frame that no step decides goes on to the steps after the branch. */
export type Step =
  | { readonly verdict: Verdict }
  /** Frames with this key take the branch. */
  | { readonly key: Key; readonly branch: readonly Step[] }
  /** Frames without this key are dropped. */
  | { readonly required: Key };

/** What is left of a rule after some of its keys were compared. */
interface Rest {
  readonly keys: readonly Key[];
  readonly verdict: Verdict;
}

/**
 * Returns steps that decide as the rules do: the first match counts.
 *
 * Rules in a row with the same first key share a branch. A key that every frame needs in order to
 * pass is compared once, if whatever does not pass is dropped.
 */
export function decide(all: readonly Rest[]): readonly Step[] {
  const certain = all.findIndex(({ keys }) => keys.length === 0);
  const rules = certain === -1 ? all : all.slice(0, certain + 1); // the others have no effect
  const lastUp = rules.findLastIndex(({ verdict }) => verdict === 'up');
  const [first, rest] = [rules.slice(0, lastUp + 1), rules.slice(lastUp + 1)];
  const required = requiredOf(rest);
  return [
    ...branches(first),
    ...required.map((key) => ({ required: key })),
    ...branches(required.length === 0 ? rest : rest.map((rule) => without(rule, required))),
  ];
}

function branches(rules: readonly Rest[]): readonly Step[] {
  const steps: Step[] = [];
  let inside: Rest[] = [];
  let before: Key | undefined;
  const endBranch = () => {
    if (before !== undefined) steps.push({ key: before, branch: decide(inside) });
    inside = [];
  };
  for (const { keys, verdict } of rules) {
    const [key, ...others] = keys;
    if (key === undefined) {
      endBranch();
      return [...steps, { verdict }];
    }
    if (!isSame(before, key)) endBranch();
    before = key;
    inside.push({ keys: others, verdict });
  }
  endBranch();
  return steps;
}

/** The keys that all rules share which let frames pass, if a last rule drops all other frames. */
function requiredOf(rules: readonly Rest[]): readonly Key[] {
  const passing = rules.filter(({ verdict }) => verdict === 'pass');
  const [one, ...others] = passing;
  const last = rules.at(-1);
  if (one === undefined || others.length === 0 || last?.keys.length !== 0 || last.verdict !== 'drop')
    return [];
  return one.keys.filter((key) => others.every(({ keys }) => keys.some((other) => isSame(other, key))));
}

const without = ({ keys, verdict }: Rest, known: readonly Key[]): Rest => ({
  keys: keys.filter((key) => !known.some((other) => isSame(other, key))),
  verdict,
});

const isSame = (one: Key | undefined, other: Key): boolean =>
  one?.at === other.at && one.mask === other.mask && one.value === other.value;
