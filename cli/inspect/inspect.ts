import { findPasstDefects } from '../../cni/bindings/passt.ts';
import { BindingError } from '../../shared/errors.ts';
import type { CniResult } from './cni-results.ts';
import { describe, type Found } from './describe.ts';
import { findNetns, isOf, type NetnsPlace, type NetnsSeen, pathOf, toRun } from './find.ts';
import type { Inspection } from './inspection.ts';
import { allCniResults, allNetnses, cgroupsOf, netnsIdOf } from './node.ts';
import { observe } from './observe.ts';

/**
 * Inspects every netns of the node, and returns those in which Tapwire has wired something.
 *
 * @throws {BindingError} KERNEL_REFUSED
 */
export async function inspectNode(): Promise<readonly Inspection[]> {
  const results = allCniResults();
  const inspections = (await scanAll()).map((netns) => toInspection(netns, results));
  return inspections.filter(hasOurs);
}

/**
 * Inspects one netns.
 *
 * @param subject a path, or a subject of `findNetns`
 * @throws {BindingError} INVALID_NETNS, KERNEL_REFUSED
 */
export async function inspectNetns(subject: string): Promise<Inspection> {
  const results = allCniResults();
  const netns = await lookFor(subject, results);
  const inspection = toInspection(netns, results);
  if (!hasOurs(inspection) && netns.id === netnsIdOf('/proc/self/ns/net')) {
    const reason = "it is the host network namespace, which is never wired; name the pod's";
    throw new BindingError('INVALID_NETNS', `Cannot inspect "${subject}": ${reason}`);
  }
  return inspection;
}

async function lookFor(subject: string, results: readonly CniResult[]): Promise<ScannedNetns> {
  if (subject.startsWith('/')) return scanNetns(placeOf(subject), subject);
  const netnses = await scanAll();
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

/** Inspects every netns. Skips those that disappear meanwhile, and stale mount points. */
async function scanAll(): Promise<readonly ScannedNetns[]> {
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
