/** Programs that ask for a guest's addresses, as a distribution runs them. */
import type { Told } from './seen.ts';
import type { GuestSystem, Program } from './system.ts';

export interface Client {
  readonly name: string;
  /** Whether it asks for IPv6 addresses. The kernel asks for routers if the client does not. */
  readonly hasDhcpv6: boolean;
  /** Lets it configure the NIC. */
  start(system: GuestSystem): Promise<RunningClient>;
}

export interface RunningClient {
  /** What it was told, as far as it has been so far. */
  told(): Promise<Told>;
  /** Lets it ask for its IPv4 address again, without a break, as for a lease that ends. */
  renew(): Promise<void>;
  /** Ends it, as the guest's shutdown does not: nothing is released. Starts it again. */
  restart(): Promise<void>;
  /** All that it has written about what it does. */
  readonly output: () => string;
}

/** Starts D-Bus, over which some clients get their commands. */
export async function startBus(system: GuestSystem): Promise<void> {
  const bus = system.start('dbus-daemon', '--nofork', '--print-address', '--config-file=/run/bus.conf');
  await bus.prints('unix:');
}

/** A program that is restarted with the same words. Its output is that of all of them. */
export function restartable(system: GuestSystem, ...words: readonly string[]) {
  const programs: Program[] = [system.start(...words)];
  return {
    output: () => programs.map((program) => program.output()).join(''),
    kill: (signal: NodeJS.Signals) => programs.at(-1)?.kill(signal),
    async restart() {
      await programs.at(-1)?.kill('SIGKILL');
      programs.push(system.start(...words));
    },
  };
}

/** Name servers and search domains of a resolv.conf. */
export function resolverOf(text: string): Pick<Told, 'nameservers' | 'searchDomains'> {
  const words = (key: string) =>
    [...text.matchAll(new RegExp(`^${key} +(.*)$`, 'gm'))].flatMap(([, rest = '']) => rest.trim().split(' '));
  return { nameservers: words('nameserver'), searchDomains: words('search') };
}

export const unique = (words: readonly string[]): readonly string[] => [...new Set(words)];
