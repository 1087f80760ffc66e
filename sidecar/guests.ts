import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../shared/errors.ts';
import { log } from '../shared/log.ts';
import { observeNetwork, readLinks } from './pod/observe.ts';
import type { KnownInterface } from './prepare-cloud-init.ts';
import { servedRecordOf } from './services/facts.ts';
import { GuestServices } from './services/guest-services.ts';
import { servedGuestsOf } from './services/served-guests.ts';
import { readVmi, writeVmi } from './services/vmi-file.ts';
import { excerptOf } from './vmi/excerpt.ts';
import { type GuestOptions, parseGuestOptions } from './vmi/guest-options.ts';

/**
 * The guests of the pod, and what their VMI asks for. virt-launcher sends the VMI before the VM
 * starts, and not again to a restarted sidecar, which finds it in a file.
 */
export class Guests {
  readonly #vmiFile: string;
  #options: GuestOptions | null;
  #services: GuestServices | null = null;

  constructor(vmiFile: string) {
    this.#vmiFile = vmiFile;
    const vmi = readVmi(vmiFile);
    this.#options = vmi === null ? null : optionsIn(vmi);
  }

  /** Whether the CNI plugin has wired a tap for guest services. */
  async areServed(): Promise<boolean> {
    try {
      return (await readLinks()).some((link) => servedRecordOf(link) !== null);
    } catch (error) {
      log('warn', `Cannot find out whether guests of this pod are served: ${messageOf(error)}`);
      return false;
    }
  }

  /** Serves the guests from now on. Never fails. */
  async serve(): Promise<void> {
    if (this.#services !== null) return;
    this.#services = new GuestServices(async () => servedGuestsOf(await observeNetwork(), this.#options));
    try {
      await this.#services.start();
    } catch (error) {
      log('warn', `Cannot follow the changes of the pod: ${messageOf(error)}`);
    }
  }

  /** Takes over what a VMI asks for, before its VM starts. Never fails. */
  async learn(vmi: Uint8Array): Promise<void> {
    const options = optionsIn(vmi);
    // virt-launcher sends the same VMI up to three times.
    if (options === null || isDeepStrictEqual(options, this.#options) || !(await this.areServed())) return;
    this.#options = options;
    for (const warning of options.warnings) log('warn', warning);
    try {
      writeVmi(this.#vmiFile, excerptOf(vmi));
    } catch (error) {
      log('warn', `Cannot keep what the VM asks for across a restart of the sidecar: ${messageOf(error)}`);
    }
    await this.serve();
    await this.#services?.refresh();
  }

  /**
   * Returns the VM's interfaces whose guests are served.
   *
   * @throws {BindingError} KERNEL_REFUSED, TRY_AGAIN
   */
  async interfacesOf(options: GuestOptions): Promise<readonly KnownInterface[]> {
    const guests = servedGuestsOf(await observeNetwork(), options);
    return guests.flatMap(({ name, mac, network }) => (name === null ? [] : [{ name, mac, network }]));
  }
}

/** Null if they cannot be read: OnDefineDomain says why. */
function optionsIn(vmi: Uint8Array): GuestOptions | null {
  try {
    return parseGuestOptions(vmi);
  } catch {
    return null;
  }
}
