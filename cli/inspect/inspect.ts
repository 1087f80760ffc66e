import { findPasstDefects } from '../../cni/bindings/passt.ts';
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
  const inspections = (await scanNetnsAll()).map((netns) => toInspection(netns, results));
  return inspections.filter(hasOurs);
}

/**
 * What is wired in one netns.
 *
 * @param subject a path, or what `findNetns` takes
 * @throws {BindingError} INVALID_NETNS, KERNEL_REFUSED
 */
export async function inspectNetns(subject: string): Promise<Inspection> {
  const results = allCniResults();
  const netns = await lookFor(subject, results);
  const inspection = toInspection(netns, results);
  if (!hasOurs(inspection) && netns.id === netnsIdOf('/proc/self/ns/net')) {
    const reason = "that is the node's own network namespace, which is never wired; name the pod's";
    throw new BindingError('INVALID_NETNS', `Cannot inspect "${subject}": ${reason}`);
  }
  return inspection;
}

async function lookFor(subject: string, results: readonly CniResult[]): Promise<ScannedNetns> {
  if (subject.startsWith('/')) return scanNetns(placeOf(subject), subject);
  const netnses = await scanNetnsAll();
  const cgroups = cgroupsOf(netnses.flatMap(({ pids }) => pids));
  return findNetns(subject, { netnses, results, cgroups });
}

const hasOurs = ({ attachments, strays, passt }: Inspection): boolean =>
  attachments.length + strays.length > 0 || passt !== null;

type ScannedNetns = NetnsSeen & { readonly found: Found };

function placeOf(path: string): NetnsPlace {
  const id = netnsIdOf(path) ?? '';
  const place = allNetnses().find((one) => one.id === id) ?? { id, paths: [], pids: [] };
  return { ...place, paths: [toRun(path), ...place.paths] };
}

async function scanNetns(place: NetnsPlace, path: string): Promise<ScannedNetns> {
  const found = describe(await observe(path, place.pids));
  return { ...place, found, containerIds: found.attachments.map(({ containerId }) => containerId) };
}

/** Without those that go meanwhile, and what was left where they were mounted. */
async function scanNetnsAll(): Promise<readonly ScannedNetns[]> {
  const looked = await Promise.all(
    allNetnses().map((place) =>
      scanNetns(place, pathOf(place)).catch((error: unknown) => {
        if (error instanceof BindingError && error.code === 'INVALID_NETNS') return null;
        throw error;
      }),
    ),
  );
  return looked.filter((one) => one !== null);
}

function toInspection({ found, ...netns }: ScannedNetns, results: readonly CniResult[]): Inspection {
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
