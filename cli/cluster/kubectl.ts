import { spawn } from 'node:child_process';
import { BindingError, messageOf } from '../../shared/errors.ts';

/** Timeout of one request to the API server, in s. */
const REQUEST_TIMEOUT = 15;
/** Timeout of one kubectl, which may first run a program for its credentials; in ms. */
const TIMEOUT = 60_000;
/** Bytes of stderr that are kept. */
const MAX_ERROR = 16 * 1024;

/** Result of one request to the API server. */
export type KubectlReply =
  | { readonly isOk: true; readonly text: string }
  | { readonly isOk: false; readonly kind: 'forbidden' | 'missing' | 'other'; readonly reason: string };

/** @param limit most bytes of the reply */
export const get = (path: string, limit: number): Promise<KubectlReply> =>
  run(['get', '--raw', path], '', limit);

export const create = (path: string, object: object): Promise<KubectlReply> =>
  run(['create', '--raw', path, '-f', '-'], JSON.stringify(object), MAX_ECHO);

export const remove = (path: string): Promise<KubectlReply> => run(['delete', '--raw', path], '', MAX_ECHO);

/** Most bytes of an object that the API server returns after changing it. */
const MAX_ECHO = 1024 * 1024;

/**
 * Runs kubectl, with the cluster and the user of its own configuration. Only `--raw` requests are
 * used: they need no discovery of the API, and all versions of kubectl send them alike.
 *
 * kubectl is the leader of its own session, so that Ctrl-C does not end it in the middle of a
 * request whose effect would then be unknown.
 *
 * @throws {BindingError} IO_FAILURE if kubectl cannot be run
 */
function run(args: readonly string[], input: string, limit: number): Promise<KubectlReply> {
  return new Promise((resolve, reject) => {
    const child = spawn('kubectl', [...args, `--request-timeout=${REQUEST_TIMEOUT}s`], { detached: true });
    const timer = setTimeout(() => fail(`no reply within ${TIMEOUT / 1000} s`), TIMEOUT);
    const chunks: Buffer[] = [];
    let [size, errors, failure] = [0, '', ''];
    const fail = (reason: string) => {
      failure ||= reason;
      child.kill('SIGKILL');
    };
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) fail(`the reply has more than ${limit} bytes`);
      else chunks.push(chunk);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = `${errors}${text}`.slice(-MAX_ERROR);
    });
    child.stdin.on('error', () => {}).end(input); // EPIPE: kubectl has ended, and says why
    child.on('error', (cause) => {
      clearTimeout(timer);
      reject(notRunnable(cause));
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      if (failure !== '') resolve({ isOk: false, kind: 'other', reason: failure });
      else if (code === 0) resolve({ isOk: true, text: Buffer.concat(chunks).toString() });
      else resolve(failureOf(errors));
    });
  });
}

function notRunnable(cause: NodeJS.ErrnoException): BindingError {
  const reason =
    cause.code === 'ENOENT'
      ? 'it is not in PATH; install it, or run this command on a node without --cluster'
      : messageOf(cause);
  return new BindingError('IO_FAILURE', `Cannot run "kubectl": ${reason}`, { cause });
}

/** kubectl's last line is its error; warnings may precede it. */
function failureOf(errors: string) {
  const reason = errors.trim().split('\n').at(-1) || 'kubectl failed without a message';
  const kind = /\(Forbidden\)|Unauthorized/.test(reason)
    ? 'forbidden'
    : reason.includes('(NotFound)')
      ? 'missing'
      : 'other';
  return { isOk: false, kind, reason } as const;
}

/**
 * Returns the text of a reply that the command cannot do without.
 *
 * @param what what failed without it, such as `list the nodes`
 * @throws {BindingError} NOT_ALLOWED, IO_FAILURE
 */
export function requireReply(what: string, reply: KubectlReply): string {
  if (reply.isOk) return reply.text;
  const advice =
    reply.kind === 'forbidden'
      ? '; docs/security.md lists the rights that this command needs'
      : reply.kind === 'missing'
        ? ''
        : '; check that "kubectl version" reaches the cluster';
  const code = reply.kind === 'forbidden' ? 'NOT_ALLOWED' : 'IO_FAILURE';
  throw new BindingError(code, `Cannot ${what}: ${reply.reason}${advice}`);
}
