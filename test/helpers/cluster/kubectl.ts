/** The real kubectl, without a cluster. */
import { execa } from 'execa';
import { parse, parseAllDocuments } from 'yaml';
import type { Resource } from './kustomize.ts';

/** No cluster, whatever the machine's kubeconfig says. */
const OPTIONS = { env: { KUBECONFIG: '/nonexistent' } } as const;

/** Objects that `kubectl apply -k DIRECTORY` would apply. */
export async function kubectlKustomize(directory: string): Promise<readonly Resource[]> {
  const { stdout } = await execa('kubectl', ['kustomize', directory], OPTIONS);
  return parseAllDocuments(stdout).map((document) => document.toJS());
}

/**
 * Applies a patch to an object.
 *
 * @param flags `--type=…` and `--patch-file=…`
 */
export async function kubectlPatch(before: Resource, flags: readonly string[]): Promise<Resource> {
  const args = ['patch', '--local', '--filename=-', '--output=yaml', ...flags];
  const { stdout } = await execa('kubectl', args, { ...OPTIONS, input: JSON.stringify(before) });
  return parse(stdout);
}

/** Arguments of each call of kubectl in a shell script. */
export async function kubectlCallsOf(script: string): Promise<readonly (readonly string[])[]> {
  const recorder = `kubectl() { printf '%s\\0' "$@"; printf '\\n'; }\n`;
  const { stdout } = await execa('sh', ['-eu', '-c', recorder + script]);
  return stdout.split('\n').map((line) => line.split('\0').slice(0, -1));
}
