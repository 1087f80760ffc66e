/** Lines of a shell script that prepare a bare node for macvtap. */

/** A node policy file with these keys in `$.macvtap`. */
export const withPolicy = (macvtap: object, others: object = {}): string =>
  `echo '${JSON.stringify({ macvtap, ...others })}' >/etc/tapwire/node.json`;

/** A lower device "uplink0", whose other end is "wire0". */
export const withLower = (): string =>
  'ip link add uplink0 type veth peer name wire0; ip link set wire0 up; ip link set uplink0 up';
