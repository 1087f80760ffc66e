import {
  array,
  type Decoder,
  either,
  foldedFields,
  integer,
  mismatch,
  object,
  optional,
  string,
  unset,
} from '../../shared/decode.ts';
import { canonicalMac, unicastMac } from '../../shared/mac.ts';
import { cidr, ipAddress } from './address.ts';

/**
 * Values that a runtime sets for the capabilities in the configuration. Only the MAC matters to a
 * tap.
 */
export interface RuntimeConfig {
  readonly mac: string | null;
}

const port = integer(1, 65535);
const rate = integer(0, 2 ** 64); // bits per second, bits; Go's uint64, rounded
const strings = array(string);
const address = either(ipAddress, cidr, 'an IP address, with or without its prefix length');

const infinibandGuid: Decoder<string> = (value, path) => {
  if (canonicalMac(string(value, path), 8) === null) {
    throw mismatch(path, 'eight octets such as "00:11:22:33:44:55:66:77"', value);
  }
  return value as string;
};

/** Decodes a device plugin's id of a device: kubelet allows 63 characters. */
export const deviceId: Decoder<string> = (value, path) => {
  if (!/^[\x21-\x7e]{1,253}$/.test(string(value, path))) throw mismatch(path, 'a device id', value);
  return value as string;
};

/**
 * Decodes every key of the CNI conventions, even those that no binding uses: an invalid one is a
 * mistake that the author of the configuration should see.
 *
 * Source: CNI CONVENTIONS, "Dynamic Plugin specific fields"
 */
export const runtimeConfig: Decoder<RuntimeConfig> = (value, path) => {
  const { mac } = decodeFields(value, path);
  return { mac };
};

const decodeFields = foldedFields({
  mac: unset(unicastMac, null),
  ips: optional(array(address), null),
  portMappings: optional(
    array(
      foldedFields({
        hostPort: optional(integer(0, 65535), null), // 0: no port of the node
        containerPort: port,
        protocol: optional(string, null),
        hostIP: optional(string, null),
      }),
    ),
    null,
  ),
  bandwidth: optional(
    foldedFields({
      ingressRate: optional(rate, null),
      ingressBurst: optional(rate, null),
      egressRate: optional(rate, null),
      egressBurst: optional(rate, null),
    }),
    null,
  ),
  dns: optional(
    foldedFields({
      servers: optional(strings, null),
      searches: optional(strings, null),
      options: optional(strings, null),
    }),
    null,
  ),
  ipRanges: optional(array(optional(array(object), [])), null),
  infinibandGUID: unset(infinibandGuid, null),
  deviceID: unset(deviceId, null),
  aliases: optional(strings, null),
  cgroupPath: optional(string, null),
  CNIDeviceInfoFile: optional(string, null),
});
