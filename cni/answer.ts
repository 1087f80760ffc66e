import type { LogLine } from '../shared/log.ts';
import { serve } from './commands.ts';
import type { CallContext } from './host.ts';
import { type Environment, parseRequest } from './request/request.ts';
import { DEFAULT_VERSION, SUPPORTED_VERSIONS, type Version } from './request/version.ts';
import { type ErrorResult, type Result, toErrorResult } from './result.ts';

/** The output of one call of the plugin. */
export interface Answer {
  readonly command: string;
  /** CNI's error code; 0 means success. */
  readonly code: number;
  /** One JSON document (CNI SPEC §2); empty if success has no result. */
  readonly stdout: string;
  readonly log: readonly LogLine[];
}

/** Serves one call. Never throws: a failure becomes an error result. */
export async function answer(
  env: Environment,
  readStdin: () => Buffer,
  context: CallContext,
): Promise<Answer> {
  const command = env['CNI_COMMAND'] ?? '';
  const log: LogLine[] = [];
  const { CNI_CONTAINERID: container, CNI_IFNAME: ifname } = env;
  const warn = (message: string): void => {
    log.push({ level: 'warn', message, fields: { command, container, ifname } });
  };
  let stdin: Buffer = Buffer.alloc(0);
  try {
    const request = parseRequest(env, () => {
      stdin = readStdin();
      return stdin;
    });
    if ('conf' in request && request.conf.unknownKeys.length > 0) {
      const { name, unknownKeys: keys } = request.conf;
      log.push({
        level: 'warn',
        message: `Ignored unknown keys of network "${name}"`,
        fields: { keys },
      });
    }
    const result = await serve(request, context, warn);
    return { command, code: 0, stdout: result === null ? '' : print(result), log };
  } catch (error) {
    const failure = toErrorResult(error, versionOf(stdin));
    const { code, details } = failure;
    log.push({ level: 'error', message: failure.msg, fields: { command, container, ifname, code, details } });
    return { command, code, stdout: print(failure), log };
  }
}

/** Prints on one line: indentation would make hostile input many times larger. */
const print = (result: Result | ErrorResult): string => `${JSON.stringify(result)}\n`;

/** Finds the version for the error result of a request that could not be read. */
function versionOf(stdin: Buffer): Version {
  const version = /"cniVersion"\s*:\s*"([\d.]+)"/i.exec(stdin.toString('latin1'))?.[1];
  return SUPPORTED_VERSIONS.find((supported) => supported === version) ?? DEFAULT_VERSION;
}
