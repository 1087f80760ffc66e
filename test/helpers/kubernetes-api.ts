/** What the Kubernetes API makes of an object, by types that its projects publish: what it does not know it drops without a word. */
import * as kubevirt from '@kubevirt-ui-ext/kubevirt-api/kubevirt';

// biome-ignore lint/suspicious/noExplicitAny: objects of any kind come in here, as they do at the API
type Untyped = any;

/** By API version and kind: the object without what the API does not know. */
const KEEPERS: Readonly<Record<string, (object: Untyped) => unknown>> = {
  'kubevirt.io/v1 VirtualMachine': (vm) =>
    kubevirt.V1VirtualMachineToJSON(kubevirt.V1VirtualMachineFromJSON(vm)),
  'kubevirt.io/v1 KubeVirt': (cr) => kubevirt.V1KubeVirtToJSON(kubevirt.V1KubeVirtFromJSON(cr)),
  // These two are in no package: NPWG's CRD, and api/v1beta1 of the HyperConverged operator.
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

/** The object as it is after the API has dropped what it does not know; throws for a kind that none of ours has. */
export function asKept(object: Untyped): unknown {
  const keep = KEEPERS[`${object.apiVersion} ${object.kind}`];
  if (keep === undefined) throw new Error(`No type of ${object.apiVersion} ${object.kind}`);
  return JSON.parse(JSON.stringify(keep(object)));
}
