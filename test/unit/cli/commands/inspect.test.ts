import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inspect } from '../../../../cli/commands/inspect.ts';
import { caught } from '../../../helpers/caught.ts';

const test = suite('tapwire inspect');

const NO_FILES = { read: () => assert.unreachable('inspect reads no files') as never };

for (const [args, reason] of [
  ['--svg', '--svg draws one netns or pod: name it'],
  ['--svg --json', 'want --svg or --json, not both'],
  ['--svg --json vms/vm1', 'want --svg or --json, not both'],
  ['one two', 'want one netns or pod, got 2'],
] as const) {
  test(`rejects ${args}, and names only what was given`, async () => {
    const error = await caught(() => inspect.run(args.split(' '), NO_FILES));
    assert.is(error.message, `Cannot run "tapwire inspect": ${reason}; see "tapwire inspect --help"`);
  });
}

test.run();
