import { checkSources, type Source } from '../../../nad/check/check.ts';
import { NEWEST_MINOR } from '../../../nad/kubevirt-versions.ts';

/** Output of `tapwire check` for one file: a line `LINE severity: message` for each finding. */
export function findingsOf(text: string, minor: number = NEWEST_MINOR): readonly string[] {
  return findingsOfAll([{ file: 'f', text }], minor);
}

/** The findings for several files, without their names. */
export function findingsOfAll(sources: readonly Source[], minor: number = NEWEST_MINOR): readonly string[] {
  const { findings } = checkSources(sources, minor);
  return findings.map(({ severity, place, message }) => `${place.line} ${severity}: ${message}`);
}

/** A NAD of Tapwire's with these keys in its configuration, or with this configuration. */
export function nad(name: string, conf: object | string = {}, namespace = 'default'): string {
  const config =
    typeof conf === 'string' ? conf : JSON.stringify({ cniVersion: '1.0.0', name, type: 'tapwire', ...conf });
  return `---
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: ${JSON.stringify({ name, namespace })}
spec: {config: ${JSON.stringify(config)}}
`;
}

/** A KubeVirt CR with these bindings; a patch of one if `name` is "". */
export function kubevirt(bindings: object, name = 'kubevirt'): string {
  return `---
apiVersion: kubevirt.io/v1
kind: KubeVirt
metadata: ${JSON.stringify(name === '' ? {} : { name, namespace: 'kubevirt' })}
spec:
  configuration:
    developerConfiguration: {featureGates: [NetworkBindingPlugins]}
    network: {binding: ${JSON.stringify(bindings)}}
`;
}

export interface VmParts {
  readonly interfaces?: readonly object[];
  readonly networks?: readonly object[];
  readonly domain?: object;
  readonly devices?: object;
  readonly namespace?: string;
  /** Name of a resource claim. */
  readonly claim?: string;
}

/** A VM whose primary network has binding "tapwire", with the given changes. */
export function vm({
  interfaces,
  networks,
  domain,
  devices,
  namespace = 'vms',
  claim,
}: VmParts = {}): string {
  const nics = interfaces ?? [{ name: 'default', binding: { name: 'tapwire' } }];
  return `---
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: red, namespace: ${namespace}}
spec:
  template:
    spec:
      domain: ${JSON.stringify({ cpu: { cores: 2 }, ...domain, devices: { interfaces: nics, ...devices } })}
      networks: ${JSON.stringify(networks ?? [{ name: 'default', pod: {} }])}
${claim === undefined ? '' : `      resourceClaims: [{name: ${claim}}]\n`}`;
}
