/**
 * What a guest is told of its network. All of it is read from the pod, except what the VMI asks
 * for.
 */
export interface GuestNetwork {
  /** MTU in bytes of the guest's NIC. */
  readonly mtu: number;
  /** Name of the VM without a domain; empty if unknown. */
  readonly hostname: string;
  /** Domain of the VM; null if there is none. */
  readonly domain: string | null;
  /** Domains in which the guest looks for short names, in this order. Not validated. */
  readonly searchDomains: readonly string[];
  /** DNS servers of both families, in this order. */
  readonly nameservers: readonly string[];
  /** Null: the pod link has no IPv4 address, so nothing is served. */
  readonly ipv4: GuestIpv4 | null;
  /** Null: the pod link has no IPv6 address, or its tap cannot serve one. */
  readonly ipv6: GuestIpv6 | null;
  readonly options: VmiDhcpOptions;
}

/** Addresses are text in canonical form, such as `10.0.0.5` or `fd00::5`. */
export interface GuestIpv4 {
  readonly address: string;
  readonly prefixLength: number;
  /** Without those to the prefix of the address itself. */
  readonly routes: readonly GuestRoute[];
}

export interface GuestRoute {
  /** `10.2.0.0/16`, or `default`. */
  readonly destination: string;
  /** Null: the destination is on the link. */
  readonly gateway: string | null;
}

export interface GuestIpv6 {
  /** At least one. */
  readonly addresses: readonly string[];
  /** Link-local address of the router, or of what stands in for it. */
  readonly router: string;
  /** Whether the router is one for all destinations. */
  readonly isDefaultRouter: boolean;
  /** Further destinations behind the router, such as `fd00:2::/48`. */
  readonly routes: readonly string[];
  /** Prefixes that the guest reaches without a router, such as `fd00:1::/64`. */
  readonly onLink: readonly string[];
}

/**
 * `dhcpOptions` of the VMI's interface, unvalidated but for their types.
 *
 * Source: kubevirt staging/src/kubevirt.io/api/core/v1/schema.go, DHCPOptions
 */
export interface VmiDhcpOptions {
  readonly bootFileName: string;
  readonly tftpServerName: string;
  readonly ntpServers: readonly string[];
  readonly privateOptions: readonly { readonly option: number; readonly value: string }[];
}

/** For an interface without `dhcpOptions`. */
export const NO_DHCP_OPTIONS: VmiDhcpOptions = {
  bootFileName: '',
  tftpServerName: '',
  ntpServers: [],
  privateOptions: [],
};
