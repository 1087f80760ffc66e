/** A demo that was kept: lists commands to inspect it, connects to its console, and deletes it. */
import { existsSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { untilInterrupted } from '../test/helpers/lab/interruption.ts';
import { type LabPlace, labPlace } from '../test/helpers/lab/lab.ts';
import { libvirtUri } from '../test/helpers/lab/libvirt.ts';
import { removeLab } from '../test/helpers/lab/remove.ts';
import { consoleOf } from '../test/helpers/lab/virt-launcher.ts';
import { paint } from './progress.ts';

/** Key that leaves the console: Ctrl-], as in virsh and telnet. */
const ESCAPE = 0x1d;

/** Lists commands to inspect a kept demo, each with a comment about what it shows. */
export function describeKept(place: LabPlace): string {
  const { id, node, pod } = place;
  const demo = `${relative(process.cwd(), process.execPath)} demo/main.ts`;
  const tapwire = relative(process.cwd(), resolve(import.meta.dirname, '../bin/tapwire'));
  const commands = {
    'the console of the guest (Ctrl-] leaves it)': `${demo} --console ${id}`,
    'the domain': `virsh -c '${libvirtUri(place)}' dumpxml lab_vm`,
    'the wiring of the pod, with its counters': `${tapwire} inspect ${pod}`,
    'the links of the pod': `ip -n ${pod} -d address`,
    'the redirect, with counters': `tc -n ${pod} -s filter show dev eth0 ingress`,
    'the frames that enter and leave the pod': `ip netns exec ${node} tcpdump -e -n -i to-eth0`,
    'the log of the sidecar': `cat ${join(place.dir, 'sidecar.log')}`,
    'delete the demo': `${demo} --down ${id}`,
  };
  return Object.entries(commands)
    .map(([what, command]) => `  ${paint('dim', `# ${what}`)}\n  ${command}`)
    .join('\n');
}

/** Lists the kept and running demos, each with the command that deletes it. */
export function listKept(): string {
  const ids = allIds();
  if (ids.length === 0) return 'No demo is running.';
  return [
    'Running demos, and how to delete them:',
    ...ids.map((id) => `  npm run demo -- --down ${id}`),
  ].join('\n');
}

/** Finds a kept demo. @throws {Error} that lists the running demos if none has this id */
export function findKept(id: string): LabPlace {
  const place = labPlace(id);
  // Check the form of the id, because takeDown deletes the directory that it names.
  if (/^[0-9a-f]{8}$/.test(id) && existsSync(place.dir)) return place;
  const running = allIds();
  const list = running.length === 0 ? 'no demo is running' : `running: ${running.join(', ')}`;
  throw new Error(id === '' ? `the option needs the ID of a demo; ${list}` : `no demo "${id}"; ${list}`);
}

/** The ids of all demos that are running or were kept. */
function allIds(): string[] {
  return readdirSync(tmpdir()).flatMap((name) => /^tapwire-([0-9a-f]{8})$/.exec(name)?.[1] ?? []);
}

export async function takeDown(id: string): Promise<void> {
  const place = findKept(id);
  const tell = (signal: NodeJS.Signals) => console.error(`Stopped by ${signal}: still deleting demo ${id}`);
  await untilInterrupted(() => removeLab(place), tell);
  console.log(`Deleted demo ${id}.`);
}

/** Connects this terminal to the guest's console until Ctrl-] or the end of either. */
export async function joinConsole(id: string): Promise<void> {
  const { stdin, stdout } = process;
  const socket = connect(consoleOf(findKept(id)).socket);
  const ended = Promise.withResolvers<void>();
  socket.on('error', ended.reject).on('close', () => ended.resolve());
  socket.pipe(stdout, { end: false });
  if (stdin.isTTY) stdin.setRawMode(true);
  stdin.on('data', (bytes: Buffer) => {
    if (bytes.includes(ESCAPE)) socket.destroy();
    else socket.write(bytes);
  });
  stdin.on('end', () => socket.end());
  socket.write('\n'); // makes the shell show its prompt
  try {
    await ended.promise;
  } finally {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
  }
}
