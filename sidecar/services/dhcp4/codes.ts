/** Values of option 53. Source: RFC 2132 §9.6 */
export const TYPE = {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  ack: 5,
  nak: 6,
  release: 7,
  inform: 8,
} as const;

/** Codes of options. Source: RFC 2132; 80: RFC 4039; 119: RFC 3397; 121: RFC 3442 */
export const OPTION = {
  subnetMask: 1,
  router: 3,
  nameservers: 6,
  hostname: 12,
  domain: 15,
  mtu: 26,
  broadcastAddress: 28,
  ntpServers: 42,
  requestedAddress: 50,
  leaseTime: 51,
  overload: 52,
  messageType: 53,
  server: 54,
  parameterList: 55,
  maxMessageSize: 57,
  renewalTime: 58,
  rebindingTime: 59,
  vendorClass: 60,
  clientId: 61,
  tftpServer: 66,
  bootFile: 67,
  rapidCommit: 80,
  searchDomains: 119,
  routes: 121,
  /** The same as 121, for old versions of Windows. */
  microsoftRoutes: 249,
} as const;

/** Options of a site's own, which KubeVirt lets a VMI set. */
export const isPrivate = (code: number): boolean => code >= 224 && code <= 254;
