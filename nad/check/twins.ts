import { isDeepStrictEqual } from 'node:util';
import { get } from '../../shared/json.ts';
import { type Finding, type Place, warning } from './finding.ts';
import type { Registered } from './registrations.ts';
import { fullName, type Resource } from './resource.ts';

/**
 * Finds different objects of the same name. In a cluster, the later one replaces the earlier one.
 */
export function checkTwins(resources: readonly Resource[]): readonly Finding[] {
  const named = resources.filter(({ name }) => name !== '');
  return differing(
    named,
    (one) => [one.group, one.kind, fullName(one)].join(' '),
    meaningOf,
    (one, first) => {
      const message = `${one.kind} "${fullName(one)}" differs from the one of the same name at ${show(first.at('$.metadata.name'))}; remove one of them`;
      return warning(one.at('$.metadata.name'), message);
    },
  );
}

/** Finds bindings that are registered twice with different fields. */
export function checkRegisteredTwice(registrations: readonly Registered[]): readonly Finding[] {
  return differing(
    registrations.filter(({ isWhole }) => isWhole),
    ({ name }) => name,
    ({ plugin }) => plugin,
    ({ name, at }, first) => {
      const message = `binding "${name}" differs from the one of the same name at ${show(first.at(''))}; remove one of them`;
      return warning(at(''), message);
    },
  );
}

function differing<T>(
  all: readonly T[],
  nameOf: (one: T) => string,
  meaning: (one: T) => unknown,
  find: (one: T, first: T) => Finding,
): readonly Finding[] {
  const firsts = new Map<string, T>();
  return all.flatMap((one) => {
    const first = firsts.get(nameOf(one));
    if (first === undefined) firsts.set(nameOf(one), one);
    return first === undefined || isDeepStrictEqual(meaning(first), meaning(one)) ? [] : [find(one, first)];
  });
}

const show = ({ file, line }: Place): string => `${file}:${line}`;

/**
 * The part that must agree in objects of the same name: the spec. A CNI configuration is compared
 * as JSON, not as text.
 */
function meaningOf({ value }: Resource): unknown {
  const spec = get(value, 'spec');
  const config = get(spec, 'config');
  if (typeof config !== 'string') return spec;
  try {
    return JSON.parse(config);
  } catch {
    return config;
  }
}
