import type { Request } from '../../shared/netlink/message.ts';
import {
  CLASSIFIERS,
  type Classifier,
  type Filter,
  filterDeletion,
  isHashTable,
} from '../../shared/rtnetlink/filter.ts';
import { isInOurPlace } from '../plan/ours.ts';
import { RULE_FORMS, type RuleForm } from './rules.ts';

/** Classifiers that the running kernel may have, best first; only one after it has worked. */
export interface Classifiers {
  candidates: readonly Classifier[];
  /** Forms of a spoof guard that it may have, best first; only one after it has worked. */
  guardForms: readonly RuleForm[];
}

/** Shared by all calls: the kernel does not change while the process runs. */
export const THIS_KERNEL: Classifiers = { candidates: CLASSIFIERS, guardForms: RULE_FORMS };

/**
 * Encodes the deletion of the filter with this cookie at the ingress of a link; empty if there is
 * none. Pure.
 */
export function redirectDeletions(
  filters: readonly Filter[],
  ifindex: number,
  cookie: string,
): readonly Request[] {
  const inOurPlace = filters.filter((filter) => filter.ifindex === ifindex && isInOurPlace(filter));
  const ours = inOurPlace.filter(({ redirect }) => redirect?.cookie === cookie);
  const isAlone = inOurPlace.every((filter) => filter.redirect?.cookie === cookie || isHashTable(filter));
  // Without a handle, the kernel deletes everything at this pref. Otherwise u32 would keep an empty
  // hash table while others use u32 here.
  return isAlone
    ? ours.slice(0, 1).map((filter) => filterDeletion({ ...filter, handle: 0 }))
    : ours.map(filterDeletion);
}
