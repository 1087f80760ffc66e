/**
 * Starts the sidecar, and writes the code that V8 has compiled by the time its socket appears.
 *
 * Arguments: the program, as sidecar/loader.ts runs it; the path of its bundle.
 * Environment: TAPWIRE_HOOK_DIR
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import v8 from 'node:v8';
import { cachePathOf, compile, execute } from '../sidecar/loader.ts';

/** Time in ms in which the sidecar does what follows its start, also on a busy machine. */
const SETTLE_TIME = 500;

const [program = '', bundle = ''] = process.argv.slice(2);
const hookDirectory = process.env['TAPWIRE_HOOK_DIR'] ?? '';

// V8 accepts a cache only with the flags with which it was written. The sidecar sets its flags when
// the cache is already loaded, so the writer must never set them.
v8.setFlagsFromString = () => {};
const script = compile(readFileSync(program, 'utf8'));
void execute(script, pathToFileURL(bundle).href);
while (!readdirSync(hookDirectory).some((name) => name.endsWith('.sock'))) await sleep(10);
// The sidecar still ends its own first call. What that compiles must be in every build, or in none.
await sleep(SETTLE_TIME);
writeFileSync(cachePathOf(bundle), script.createCachedData());
process.exit();
