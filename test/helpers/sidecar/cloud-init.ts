import { type GuestNetwork, NO_DHCP_OPTIONS } from '../../../sidecar/services/guest-network.ts';
import { decodeMessage } from './hook-api.ts';
import { recordedVms } from './recorded-hooks.ts';

/** A pod of Calico's: its gateway is on the link, but outside the subnet of its address. */
export const calico: GuestNetwork = {
  mtu: 1400,
  hostname: 'vm',
  domain: null,
  searchDomains: ['vms.svc.cluster.local', 'cluster.local'],
  nameservers: ['10.96.0.10', 'fd00::a'],
  ipv4: {
    address: '10.0.0.5',
    prefixLength: 32,
    routes: [
      { destination: '169.254.1.1/32', gateway: null },
      { destination: 'default', gateway: '169.254.1.1' },
    ],
  },
  ipv6: {
    addresses: ['fd00:1::5'],
    router: 'fe80::ecee:eeff:feee:eeee',
    isDefaultRouter: true,
    routes: [],
    onLink: [],
  },
  options: NO_DHCP_OPTIONS,
};

/** A pod on a bridge, whose gateways are in its subnets. */
export const bridged: GuestNetwork = {
  ...calico,
  mtu: 1500,
  nameservers: [],
  searchDomains: [],
  ipv4: {
    address: '10.244.1.5',
    prefixLength: 20,
    routes: [
      { destination: '10.244.0.0/16', gateway: '10.244.0.1' },
      { destination: 'default', gateway: '10.244.0.1' },
    ],
  },
  ipv6: {
    addresses: ['fd00:2::5', '2001:db8::5'],
    router: 'fe80::1',
    isDefaultRouter: true,
    routes: ['fd00:3::/47'],
    onLink: ['fd00::/16', 'fd00:2::/64', 'fd00:2:0:1::/65'],
  },
};

/** The request of PreCloudInitIso that was recorded, whose user has written network data. */
export function recordedCloudInit(): { cloudInitNoCloudSource: Buffer; vmi: Buffer; cloudInitData: Buffer } {
  const call = recordedVms()
    .flatMap(({ calls }) => calls)
    .find(({ method }) => method === 'PreCloudInitIso');
  const params = decodeMessage('PreCloudInitIsoParams', call?.request ?? Buffer.alloc(0));
  const bytes = (name: string) => Buffer.from(params[name] as Uint8Array);
  return {
    cloudInitNoCloudSource: bytes('cloudInitNoCloudSource'),
    vmi: bytes('vmi'),
    cloudInitData: bytes('cloudInitData'),
  };
}

const RECORDED_NETWORK_DATA = '"NetworkData":"version: 2\\nethernets: {eth0: {dhcp4: true}}\\n"';

/** The recorded CloudInitData, as it would be if the user had not written network data. */
export function withoutNetworkData(cloudInitData: Buffer, networkData = '"NetworkData":""'): string {
  const text = cloudInitData.toString();
  if (!text.includes(RECORDED_NETWORK_DATA)) throw new Error('The recording has changed');
  return text.replace(RECORDED_NETWORK_DATA, () => networkData);
}
