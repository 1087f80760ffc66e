import type { Resource } from './resource.ts';

/** Where bindings are registered, by kind of CR. */
export const REGISTRY_FIELDS: Readonly<Record<string, readonly string[]>> = {
  KubeVirt: ['spec.configuration.network.binding'],
  HyperConverged: ['spec.networkBinding', 'spec.networking.networkBinding'], // hco.kubevirt.io/v1beta1 and v1
};

/** Annotation with JSON patches that the HyperConverged operator applies to the KubeVirt CR that it makes. */
export const PATCHES = 'kubevirt.kubevirt.io/jsonpatch';

export const isRegistry = ({ group, kind }: Resource): boolean =>
  (group === 'kubevirt.io' && kind === 'KubeVirt') ||
  (group === 'hco.kubevirt.io' && kind === 'HyperConverged');
