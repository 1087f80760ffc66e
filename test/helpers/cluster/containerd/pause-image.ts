/** The image of a pod's sandbox: one busybox that sleeps. Nothing is pulled from a registry. */
import { readFileSync } from 'node:fs';
import { ociArchive } from '../../../../scripts/image/oci.ts';

export const PAUSE_IMAGE = 'localhost/tapwire-pause:1';
/** From the package busybox-static. */
const BUSYBOX = '/bin/busybox';

/** The image as an archive for `ctr image import`. */
export function pauseImage(): Promise<Buffer> {
  const config = {
    User: '0:0',
    Env: [],
    Entrypoint: ['/bin/busybox', 'sleep', '86400'],
    WorkingDir: '/',
    Labels: {},
  };
  return ociArchive(
    [
      { path: 'bin', kind: 'directory' },
      { path: 'bin/busybox', kind: 'file', content: readFileSync(BUSYBOX), isProgram: true },
    ],
    [{ name: PAUSE_IMAGE, config: { architecture: 'amd64', os: 'linux', config } }],
  );
}
