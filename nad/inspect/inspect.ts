import { findPasstDefects } from '../../cni/passt.ts';
import { BindingError } from '../../shared/errors.ts';
import type { CniResult } from './cni-results.ts';
import { describe, type Found } from './describe.ts';
import { findNetns, isOf, type NetnsPlace, type NetnsSeen, pathOf, toRun } from './find.ts';
import type { Inspection } from './inspection.ts';
import { allCniResults, allNetnses, cgroupsOf, netnsIdOf } from './node.ts';
import { observe } from './observe.ts';

/** What is wired in every netns of the node that has something of Tapwire's. @throws {BindingError} KERNEL_REFUSED */
export async function inspectNode(): Promise<readonly Inspection[]> {
  const results = allCniResults();
  const inspections = (await lookIntoAll()).map((netns) => toInspection(netns, results));
  return inspections.filter(({ wires, strays, passt }) => wires.length + strays.length > 0 || passt !== null);
}

/**
 * What is wired in one netns.
 *
 * @param subject a path, or what `findNetns` takes
 * @throws {BindingError} INVALID_NETNS, KERNEL_REFUSED
 */
export async function inspectNetns(subject: string): Promise<Inspection> {
  const results = allCniResults();
  if (subject.startsWith('/')) return toInspection(await lookInto(placeOf(subject), subject), results);
  const netnses = await lookIntoAll();
  const cgroups = cgroupsOf(netnses.flatMap(({ pids }) => pids));
  return toInspection(findNetns(subject, { netnses, results, cgroups }), results);
}

type Looked = NetnsSeen & { readonly found: Found };

function placeOf(path: string): NetnsPlace {
  const id = netnsIdOf(path) ?? '';
  const place = allNetnses().find((one) => one.id === id) ?? { id, paths: [], pids: [] };
  return { ...place, paths: [toRun(path), ...place.paths] };
}

async function lookInto(place: NetnsPlace, path: string): Promise<Looked> {
  const found = describe(await observe(path, place.pids));
  return { ...place, found, containerIds: found.wires.map(({ containerId }) => containerId) };
}

/** Without those that go meanwhile, and what was left where they were mounted. */
async function lookIntoAll(): Promise<readonly Looked[]> {
  const looked = await Promise.all(
    allNetnses().map((place) =>
      lookInto(place, pathOf(place)).catch((error: unknown) => {
        if (error instanceof BindingError && error.code === 'INVALID_NETNS') return null;
        throw error;
      }),
    ),
  );
  return looked.filter((one) => one !== null);
}

function toInspection({ found, ...netns }: Looked, results: readonly CniResult[]): Inspection {
  const own = results.filter((result) => isOf(result, netns));
  const passt = own.find((result) => result.passt !== null)?.passt ?? null;
  const { sysctls } = found;
  return {
    netns: pathOf(netns),
    pod: own.find(({ pod }) => pod !== null)?.pod ?? null,
    ...found,
    passt: passt === null || sysctls === null ? null : { defects: findPasstDefects(passt, sysctls) },
  };
}
