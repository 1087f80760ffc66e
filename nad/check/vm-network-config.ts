import { show } from '../../shared/decode.ts';
import { get } from '../../shared/json.ts';
import { type Finding, warning } from './finding.ts';
import { fullName, pathTo, type Resource } from './resource.ts';
import { annotationsAt, metadataPathOf, type Vm } from './vm.ts';
import { SOURCES } from './vm-cloud-init.ts';

/** Annotation of a VMI that asks the sidecar to write cloud-init's network configuration. */
const ANNOTATION = 'tapwire.io/network-config';
const VALUE = 'pod';
const DATA = ['networkData', 'networkDataBase64', 'networkDataSecretRef'];

/**
 * Checks the annotation that asks the sidecar for cloud-init's network configuration: its place and
 * value, and that a volume carries it, without a configuration of its own.
 *
 * @param specPath path of the VMI's spec in the object
 */
export function checkNetworkConfig(resource: Resource, specPath: string, vm: Vm): readonly Finding[] {
  const path = metadataPathOf(specPath);
  const [asked, misplaced] = [vm.annotations[ANNOTATION], annotationsAt(resource, 'metadata')[ANNOTATION]];
  const at = (metadata: string) => resource.at(pathTo(`$.${metadata}.annotations`, ANNOTATION));
  const subject = `${resource.kind} "${fullName(resource)}": annotation "${ANNOTATION}"`;
  if (asked === undefined) {
    if (misplaced === undefined) return [];
    const reason = `has no effect here, because the sidecar reads it from the VMI; move it to $.${path}.annotations`;
    return [warning(at('metadata'), `${subject} ${reason}`)];
  }
  if (asked !== VALUE) {
    return [warning(at(path), `${subject} is ${show(asked)}, which has no effect; want "${VALUE}"`)];
  }
  const volumes = Array.isArray(vm.volumes) ? vm.volumes : [];
  const carriers = SOURCES.flatMap((source) =>
    volumes.flatMap((volume, i) => (get(volume, source) === undefined ? [] : [{ volume, i, source }])),
  );
  if (carriers.length === 0) {
    const reason = `has no effect without a volume of cloud-init; add one of ${SOURCES.join(', ')}, or remove the annotation`;
    return [warning(at(path), `${subject} ${reason}`)];
  }
  return carriers.flatMap(({ volume, i, source }) => {
    const key = DATA.find((one) => get(volume, source, one));
    if (key === undefined) return [];
    const reason = `has no effect, because volume "${get(volume, 'name')}" has ${key} of its own; remove one of them`;
    return [warning(vm.at(`.volumes[${i}].${source}.${key}`), `${subject} ${reason}`)];
  });
}
