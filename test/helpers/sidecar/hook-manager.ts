/**
 * Calls the collected hooks as virt-launcher does: chooses the sidecars of a hook point, and what
 * each of them gets.
 *
 * Source: kubevirt pkg/hooks/manager.go
 */
import { type CollectedHook, callBack, collectHooks, type Timeouts } from './hook-api.ts';

export interface HookManager {
  /** Number of sidecars that are called at a hook point. */
  count(hookPoint: string): number;
  /** Each sidecar gets what the one before returned. */
  onDefineDomain(domainXml: string, vmi: Buffer): Promise<string>;
  /** The first sidecar's reply counts. Without a sidecar the data stay as they are. */
  preCloudInitIso(cloudInitData: string, vmi: Buffer): Promise<string>;
  shutdown(): Promise<void>;
}

const VERSIONS = ['v1alpha3', 'v1alpha2', 'v1alpha1'];

/**
 * Collects the sidecars as soon as they exist.
 *
 * @param timeouts virt-launcher's, or longer ones
 */
export async function startHookManager(
  directory: string,
  sidecars: number,
  timeouts?: Timeouts,
): Promise<HookManager> {
  const hooks = await collectHooks(directory, 'nested', sidecars, 300, timeouts);
  const at = (hookPoint: string): readonly CollectedHook[] =>
    hooks.filter(({ info }) =>
      (info['hookPoints'] as { name: string }[]).some(({ name }) => name === hookPoint),
    );
  const ask = ({ socket, info }: CollectedHook, method: string, params: object) => {
    const version = VERSIONS.find((known) => (info['versions'] as string[]).includes(known));
    if (version === undefined) throw new Error(`No common version with ${socket}`);
    return callBack(socket, version, method, params, timeouts?.callback);
  };
  const text = (bytes: unknown): string => Buffer.from(bytes as Uint8Array).toString();

  return {
    count: (hookPoint) => at(hookPoint).length,
    async onDefineDomain(domainXml, vmi) {
      let xml = domainXml;
      for (const hook of at('OnDefineDomain')) {
        const result = await ask(hook, 'OnDefineDomain', { domainXML: Buffer.from(xml), vmi });
        xml = text(result['domainXML']);
      }
      return xml;
    },
    async preCloudInitIso(cloudInitData, vmi) {
      const [first] = at('PreCloudInitIso');
      if (first === undefined) return cloudInitData;
      const params = {
        cloudInitNoCloudSource: noCloudSource(cloudInitData),
        cloudInitData: Buffer.from(cloudInitData),
        vmi,
      };
      return text((await ask(first, 'PreCloudInitIso', params))['cloudInitData']);
    },
    async shutdown() {
      for (const hook of at('Shutdown')) await ask(hook, 'Shutdown', {});
    },
  };
}

/** Returns what older sidecars expect: Go omits empty strings. */
function noCloudSource(cloudInitData: string): Buffer {
  const { UserData, NetworkData } = JSON.parse(cloudInitData);
  const source = { userData: UserData || undefined, networkData: NetworkData || undefined };
  return Buffer.from(JSON.stringify(source));
}
