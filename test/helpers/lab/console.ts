import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Lab } from './lab.ts';
import { waitFor } from './run.ts';

/** One "@event key=value …" line of the guest's console. */
export interface Report {
  readonly event: string;
  readonly fields: Readonly<Record<string, string>>;
  /** The line as it was printed. */
  readonly line: string;
}

/** The guest's serial console: a socket to write to, and a file with all its output. */
export interface GuestConsole {
  readonly socket: string;
  readonly log: string;
}

const textOf = ({ log }: GuestConsole) =>
  existsSync(log) ? readFileSync(log, 'latin1').replaceAll('\r', '') : '';

/** Every event so far, in order. */
export function readReports(guest: GuestConsole): Report[] {
  const lines = textOf(guest).split('\n').slice(0, -1); // The last line may be incomplete.
  return lines.flatMap((line) => {
    const [, event, rest = ''] = /^@(\w+)(?: (.*))?$/.exec(line) ?? [];
    if (event === undefined) return [];
    const pairs = [...rest.matchAll(/(\w+)=(\S*)/g)];
    return [{ event, fields: Object.fromEntries(pairs.map(([, key, value]) => [key, value])), line }];
  });
}

/** Waits until the guest has reported its network configuration. */
export async function waitForGuest(lab: Lab, guest: GuestConsole): Promise<Report[]> {
  try {
    return await waitFor(lab, '@ready on the console', () => {
      const reports = readReports(guest);
      const broken = reports.find(({ event }) => event === 'broken');
      if (broken !== undefined) throw new Error(`Broken guest: ${broken.line}`);
      return reports.some(({ event }) => event === 'ready') ? reports : undefined;
    });
  } catch (cause) {
    throw new Error(`The guest did not boot; its console ended with:\n${textOf(guest).slice(-1000)}`, {
      cause,
    });
  }
}

let commands = 0;

/** Runs a command in the guest's shell. */
export async function runInGuest(
  lab: Lab,
  guest: GuestConsole,
  command: string,
): Promise<{ readonly status: number; readonly output: string }> {
  const id = ++commands;
  const socket = connect(guest.socket).setEncoding('latin1');
  try {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.write(`echo "@begin id=${id}"; ${command}; echo "@done id=${id} status=$?"\n`);
    // The shell echoes the line above. Only its own output has a number for the status.
    const answer = new RegExp(`^@begin id=${id}\n([^]*?)^@done id=${id} status=(\\d+)$`, 'm');
    return await waitFor(lab, `end of "${command}" in the guest`, () => {
      const [, output, status] = answer.exec(text.replaceAll('\r', '')) ?? [];
      return output === undefined ? undefined : { status: Number(status), output };
    });
  } finally {
    socket.destroy();
  }
}
