/** Stand-ins for a machine without one of the Debian packages, and with a slow apt-get. */
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const DPKG_QUERY = `#!/bin/sh
/usr/bin/dpkg-query "$@" | if [ -e "$(dirname "$0")/installed" ]; then cat; else grep -v '^tcpdump '; fi
`;

const aptGet = (update: number, install: number) => `#!/bin/sh
cd "$(dirname "$0")"
case " $* " in
*' download '*) cd "$OLDPWD"; exec /usr/bin/apt-get "$@" ;;
*' update '*) what=update seconds=${update} ;;
*) what=install seconds=${install} ;;
esac
echo "begin $what" >>log
[ $what = update ] || [ -e /usr/sbin/policy-rc.d ] || echo 'services may start' >>log
sleep $seconds
[ $what = update ] || touch installed
echo "end $what $(date +%s%3N)" >>log
`;

/** Writes the stand-ins to a directory, and forgets that they have installed the package. */
export function writeSlowApt(bin: string, update: number, install: number): void {
  for (const name of ['installed', 'log']) rmSync(join(bin, name), { force: true });
  for (const [name, text] of [
    ['dpkg-query', DPKG_QUERY],
    ['apt-get', aptGet(update, install)],
  ] as const) {
    writeFileSync(join(bin, name), text);
    chmodSync(join(bin, name), 0o755);
  }
}

export interface AptLog {
  /** Time at which its last run ended, as Date.now() returns it; 0 if there was none. */
  readonly end: number;
  /** Runs that were killed, and mistakes. */
  readonly problems: readonly string[];
}

/** What apt-get did, when nothing runs any more. */
export function readAptLog(bin: string): AptLog {
  const path = join(bin, 'log');
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
  const count = (word: string) => lines.filter((line) => line.startsWith(`${word} `)).length;
  const [, end = '0'] = /^end \w+ (\d+)$/.exec(lines.findLast((line) => line.startsWith('end ')) ?? '') ?? [];
  return {
    end: Number(end),
    problems: [
      ...(count('begin') === count('end') ? [] : ['apt-get was killed half way']),
      ...lines.filter((line) => line === 'services may start'),
    ],
  };
}
