import { BINDINGS, type BindingKind } from '../../nad/bindings.ts';
import { LAST_GATED_MINOR, type Minor } from '../../nad/kubevirt-versions.ts';

/** The parts of the manifests that the command line names. */
export const PARTS = ['nad', 'registration', 'gate', 'vm'] as const;
export type ManifestPart = (typeof PARTS)[number];

interface Wanted {
  readonly kinds: readonly BindingKind[];
  readonly parts: readonly ManifestPart[];
  readonly operator: 'kubevirt' | 'hco';
  readonly minor: Minor;
}

/** Says why a part that was asked for is missing: one sentence for each, for stderr. */
export function whyAbsent({ kinds, parts, operator, minor }: Wanted): readonly string[] {
  const bare = [...new Set(kinds)].filter((kind) => BINDINGS[kind].nad === null);
  return [
    ...(parts.includes('nad')
      ? bare.map(
          (kind) => `No NAD for ${kind}: it needs nothing on the nodes, so its registration names no NAD.`,
        )
      : []),
    ...(parts.includes('gate') ? whyNoGate(operator, minor) : []),
  ];
}

function whyNoGate(operator: Wanted['operator'], minor: Minor): readonly string[] {
  if (operator === 'hco') return ['No feature gate: the HyperConverged operator sets it.'];
  if (minor <= LAST_GATED_MINOR) return [];
  return [
    `No feature gate: KubeVirt 1.${minor} needs none. For 1.${LAST_GATED_MINOR} or older, give its version with --kubevirt.`,
  ];
}
