/** One reply of the sidecar to OnDefineDomain, and its description of one interface. */
import { defineDomain } from '../../../sidecar/define-domain.ts';
import { readSettings } from '../../../sidecar/settings.ts';
import { observing, podLinks, type VmiParts, vmiJson } from './vmi.ts';

export interface Asked {
  readonly vmi?: VmiParts;
  readonly links?: typeof podLinks;
  /** Environment of the sidecar. */
  readonly env?: Readonly<Record<string, string>>;
  readonly searchDomains?: string[];
}

/** A VMI whose only interface is `default`, on the pod network, with this binding. */
export function podVmi(binding: string, iface: object = {}, pod: object = {}): VmiParts {
  return {
    interfaces: [{ name: 'default', binding: { name: binding }, ...iface }],
    networks: [{ name: 'default', pod }],
  };
}

/** The document on one line, without white space between elements. */
export async function defined(domain: string, asked: Asked = {}): Promise<string> {
  return (await definedAsIs(domain, asked)).replace(/>\s+</g, '><');
}

export async function definedAsIs(domain: string, asked: Asked = {}): Promise<string> {
  const { vmi = {}, links = podLinks, env = {}, searchDomains = [] } = asked;
  const { domainXml } = await defineDomain(
    { domainXml: Buffer.from(domain), vmi: vmiJson(vmi) },
    readSettings(env),
    observing(links, searchDomains),
  );
  return Buffer.from(domainXml).toString();
}

/** All elements of this name, whole, wherever they are. */
export function elements(xml: string, name: string): string[] {
  return xml.match(new RegExp(`<${name}[ >][\\s\\S]*?</${name}>`, 'g')) ?? [];
}
