import type { Resource } from './resource.ts';

/** Fields in which bindings are registered, by kind of CR. */
export const REGISTRY_FIELDS: Readonly<Record<string, readonly string[]>> = {
  KubeVirt: ['spec.configuration.network.binding'],
  HyperConverged: ['spec.networkBinding', 'spec.networking.networkBinding'], // hco.kubevirt.io/v1beta1 and v1
};

/**
 * Annotation with JSON patches. The HyperConverged operator applies them to the KubeVirt CR that it
 * generates.
 */
export const PATCHES = 'kubevirt.kubevirt.io/jsonpatch';

export const isRegistry = ({ group, kind }: Resource): boolean =>
  (group === 'kubevirt.io' && kind === 'KubeVirt') ||
  (group === 'hco.kubevirt.io' && kind === 'HyperConverged');
