/**
 * An object as the Kubernetes API stores it, by types that its projects publish: the API silently
 * drops fields that it does not know.
 */
import * as kubevirt from '@kubevirt-ui-ext/kubevirt-api/kubevirt';

// biome-ignore lint/suspicious/noExplicitAny: objects of any kind, as at the API
type Untyped = any;

/** Returns the object without unknown fields, by API version and kind. */
const KEEPERS: Readonly<Record<string, (object: Untyped) => unknown>> = {
  'kubevirt.io/v1 VirtualMachine': (vm) =>
    kubevirt.V1VirtualMachineToJSON(kubevirt.V1VirtualMachineFromJSON(vm)),
  'kubevirt.io/v1 KubeVirt': (cr) => kubevirt.V1KubeVirtToJSON(kubevirt.V1KubeVirtFromJSON(cr)),
  // No package has these two: NPWG's CRD, and api/v1beta1 of the HyperConverged operator.
  'k8s.cni.cncf.io/v1 NetworkAttachmentDefinition': ({ apiVersion, kind, metadata, spec }) => ({
    apiVersion,
    kind,
    metadata: kubevirt.K8sIoApimachineryPkgApisMetaV1ObjectMetaToJSON(
      kubevirt.K8sIoApimachineryPkgApisMetaV1ObjectMetaFromJSON(metadata),
    ),
    spec: { config: String(spec.config) },
  }),
  'hco.kubevirt.io/v1beta1 HyperConverged': ({ apiVersion, kind, spec }) => ({
    apiVersion,
    kind,
    spec: {
      networkBinding: Object.fromEntries(
        Object.entries(spec.networkBinding).map(([name, plugin]) => [
          name,
          kubevirt.V1InterfaceBindingPluginToJSON(kubevirt.V1InterfaceBindingPluginFromJSON(plugin)),
        ]),
      ),
    },
  }),
};

/**
 * Returns the object after the API has dropped unknown fields; throws for a kind that no object of
 * Tapwire has.
 */
export function asKept(object: Untyped): unknown {
  const keep = KEEPERS[`${object.apiVersion} ${object.kind}`];
  if (keep === undefined) throw new Error(`No type of ${object.apiVersion} ${object.kind}`);
  return JSON.parse(JSON.stringify(keep(object)));
}
