import { type FSWatcher, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { messageOf } from '../shared/errors.ts';
import { log } from '../shared/log.ts';

/** Changes within this time in ms are reported once. */
const SETTLE_TIME = 50;
/** Time in ms between two attempts, and two reports, if the kernel does not watch the directory. */
const RETRY_INTERVAL = 10_000;
/** Attempts while directories above the watched one are created. */
const MAX_TRIES = 10;

/**
 * Watches a directory, which may not exist yet, and which may be deleted and created again. While
 * it does not exist, watches the nearest directory above it.
 */
export class DirectoryWatch {
  readonly #path: string;
  readonly #onChange: () => void;
  #watcher: FSWatcher | null = null;
  /** What is watched: a path, and the directory that it was; null if nothing is watched. */
  #watched: { readonly path: string; readonly id: string | null } | null = null;
  #timer: NodeJS.Timeout | undefined;
  #hasFailed = false;
  #isClosed = false;

  /** @param onChange called soon after each change of the entries, and after the start */
  constructor(path: string, onChange: () => void) {
    this.#path = path;
    this.#onChange = onChange;
    this.#report(SETTLE_TIME);
    this.#watchNearest();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#watcher?.close();
  }

  #report(delay: number): void {
    if (this.#isClosed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (!this.#isWatched()) this.#watchNearest();
      this.#onChange();
    }, delay);
  }

  /** Whether the directory at the path, or the nearest one above it, is the watched one. */
  #isWatched(): boolean {
    const nearest = nearestDirectory(this.#path);
    return nearest === this.#watched?.path && idOf(nearest) === this.#watched.id;
  }

  #watchNearest(): void {
    // The directory may be created while the one above it is about to be watched.
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      if (!this.#watch(nearestDirectory(this.#path))) break;
      if (this.#isWatched()) return;
    }
    this.#report(RETRY_INTERVAL);
  }

  #watch(path: string): boolean {
    this.#watcher?.close();
    this.#watched = { path, id: idOf(path) };
    try {
      this.#watcher = watch(path, { persistent: false }, (_, name) => {
        // The directory itself was deleted. Its inode may be used again at once.
        if (name === basename(path)) this.#watched = null;
        this.#report(SETTLE_TIME);
      });
      this.#watcher.on('error', () => this.#report(SETTLE_TIME));
      this.#hasFailed = false;
      return true;
    } catch (error) {
      [this.#watcher, this.#watched] = [null, null];
      if (!this.#hasFailed) {
        const advice = `it is read every ${RETRY_INTERVAL / 1000} s; raise fs.inotify.max_user_instances`;
        log('warn', `Cannot watch "${this.#path}": ${messageOf(error)}; ${advice}`);
      }
      this.#hasFailed = true;
      return false;
    }
  }
}

function nearestDirectory(path: string): string {
  return path === '/' || idOf(path) !== null ? path : nearestDirectory(dirname(path));
}

/** Device and inode of a directory; null if there is none, or it cannot be read. */
function idOf(path: string): string | null {
  try {
    const file = statSync(path, { bigint: true });
    return file.isDirectory() ? `${file.dev} ${file.ino}` : null;
  } catch {
    return null;
  }
}
