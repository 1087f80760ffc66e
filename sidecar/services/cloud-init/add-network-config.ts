import { get } from '../../../shared/json.ts';

/** Network data for each of KubeVirt's data sources. */
export interface NetworkDataBySource {
  readonly noCloud: string;
  readonly configDrive: string;
}

/**
 * The member without a value. The first quote is not escaped, so the match is a member and not text
 * in a string: in a string, the quotes would be escaped.
 */
const EMPTY_NETWORK_DATA = /(?<!\\)"NetworkData":""/;

/**
 * Adds network data to the CloudInitData that virt-launcher sends, if it has none. Keeps all other
 * bytes, also of fields that this version does not know.
 *
 * Returns null if nothing is to be changed: the user has written network data, which virt-launcher
 * sends resolved from secrets and base64, or the data have another form.
 *
 * @param cloudInitData JSON in UTF-8
 * Source: kubevirt pkg/cloud-init/cloud-init.go, CloudInitData
 */
export function addNetworkConfig(
  cloudInitData: Uint8Array,
  networkData: NetworkDataBySource,
): Uint8Array | null {
  const text = new TextDecoder().decode(cloudInitData);
  const data: unknown = JSON.parse(text);
  const source = get(data, 'DataSource');
  if (get(data, 'NetworkData') !== '' || (source !== 'noCloud' && source !== 'configDrive')) return null;
  const config = networkData[source];
  const changed = text.replace(EMPTY_NETWORK_DATA, () => `"NetworkData":${JSON.stringify(config)}`);
  // The match can be a member of an object within, or white space can have prevented it.
  return get(JSON.parse(changed), 'NetworkData') === config ? Buffer.from(changed) : null;
}
