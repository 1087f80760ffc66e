import { BindingError } from '../../shared/errors.ts';
import type { VmiInterface } from '../vmi/vmi.ts';

/** A port of the pod that is forwarded to the same port of the guest. */
export interface ForwardedPort {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
}

const MAX_PORT = 65_535;

/**
 * Returns the ports that the VMI lists for an interface, without duplicates, in the VMI's order.
 * The default protocol is TCP. passt.ts adds Istio's exclusions and forwards all ports if the list
 * is empty; slirp.ts forwards only these.
 *
 * @throws {BindingError} INVALID_VMI
 */
export function forwardedPorts({ name, ports }: VmiInterface): ForwardedPort[] {
  const seen = new Set<string>();
  return ports.flatMap(({ protocol, port }) => {
    const known = (['tcp', 'udp'] as const).find(
      (candidate) => candidate === (protocol || 'tcp').toLowerCase(),
    );
    if (known === undefined) throw invalid(name, `protocol ${JSON.stringify(protocol)} of port ${port}`);
    if (port < 1 || port > MAX_PORT) throw invalid(name, `port ${port}`);
    if (seen.has(`${known} ${port}`)) return [];
    seen.add(`${known} ${port}`);
    return [{ protocol: known, port }];
  });
}

function invalid(name: string, what: string): BindingError {
  return new BindingError(
    'INVALID_VMI',
    `Cannot bind interface "${name}": it cannot forward ${what}; use TCP or UDP, and ports from 1 to ${MAX_PORT}`,
  );
}
