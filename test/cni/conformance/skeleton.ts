import { spawn } from 'node:child_process';
import * as assert from 'uvu/assert';
import { SUPPORTED_VERSIONS } from '../../../cni/request/version.ts';
import { toErrorResult } from '../../../cni/result.ts';
import { BindingError } from '../../../shared/errors.ts';
import { HANG } from '../../helpers/hang.ts';
import { callWith } from '../../helpers/plugin/cni.ts';
import { isTested, type Section } from '../../helpers/plugin/conformance.ts';
import { plugin, WAY } from '../../helpers/plugin/way.ts';
import {
  call,
  conf,
  gated,
  NEWEST,
  noAbout,
  refusal,
  refused,
  roundTrip,
  SINCE_1_1,
  silent,
} from './calls.ts';
import { ENVIRONMENT } from './environment.ts';
import { onPod } from './pods.ts';

/** Runs the executable without an end of its stdin; it must end by itself. */
async function withOpenStdin(
  variables: Record<string, string>,
): Promise<{ stdout: string; exitCode: number | null }> {
  const {
    words: [program, ...words],
    env,
  } = await plugin(variables);
  return new Promise((done, fail) => {
    const child = spawn(program, words, { env, stdio: ['pipe', 'pipe', 'ignore'] });
    let stdout = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), HANG);
    child.on('error', fail);
    child.stdout.on('data', (data) => {
      stdout += data;
    });
    child.on('close', (exitCode) => {
      clearTimeout(timer);
      done({ stdout, exitCode });
    });
  });
}

export const SKELETON: Section = {
  title: '7.1 Cases of the reference library: skeleton',
  rows: [
    {
      id: 'S1',
      requires: 'Environment and stdin are parsed and ADD, and only ADD, is run.',
      shows: 'ADD makes a tap',
      test: () => onPod(roundTrip),
    },
    {
      id: 'S2-S8',
      requires: 'Bad characters in the container id and bad interface names.',
      shows: 'one of each, with its details (R1.3, R1.4 have all)',
      test: async () => {
        assert.is((await refusal({ CNI_CONTAINERID: 'a/b' })).details, 'a/b');
        assert.match((await refusal({ CNI_IFNAME: 'sixteen-bytes-ab' })).details ?? '', 'sixteen-bytes-ab');
      },
    },
    {
      id: 'S9-S10',
      requires: 'Required and optional variables per command; several missing ones are listed in order.',
      shows: 'GC and STATUS too need no more than CNI_PATH (R1.1 has the others)',
      test: async () => {
        for (const CNI_COMMAND of SINCE_1_1) {
          await refused(
            4,
            'required env variables [CNI_PATH] missing',
            { CNI_COMMAND, CNI_PATH: '' },
            conf(NEWEST),
          );
          silent(await callWith({ CNI_COMMAND, CNI_PATH: '/x' }, conf(NEWEST)));
        }
      },
    },
    {
      id: 'S11',
      requires: 'No cniVersion, and the plugin speaks 0.1.0: ADD is run.',
      inapplicable: 'Tapwire does not speak 0.1.0 (R3.1)',
    },
    {
      id: 'S12',
      requires:
        'No cniVersion, and the plugin does not speak 0.1.0: code 1 with details, and nothing is run.',
      shows: 'no tap is made',
      test: () =>
        onPod(async ({ netns }) => {
          const { code, details } = await refusal({ CNI_NETNS: netns }, conf({ cniVersion: undefined }));
          assert.is(code, 1);
          assert.match(details ?? '', 'config is "0.1.0"');
        }),
    },
    {
      id: 'S13-S14',
      requires: 'CHECK is run; for a configuration of 0.3.0 it is code 1.',
      shows: 'both',
      test: async () => {
        await gated('CHECK', '0.3.0', '0.4.0');
        await onPod(roundTrip);
      },
    },
    {
      id: 'S15',
      requires: 'A plugin below 0.4.0 refuses CHECK with "plugin version does not allow CHECK".',
      shows: 'the same sentence for a configuration that is newer than the plugin (R3.4)',
      test: () =>
        refused(
          1,
          'plugin version does not allow CHECK',
          { CNI_COMMAND: 'CHECK' },
          conf({ cniVersion: '9.0.0' }),
        ),
    },
    {
      id: 'S16',
      requires: 'A configuration whose version is garbage: code 6.',
      shows: 'CHECK, GC and STATUS',
      test: async () => {
        for (const CNI_COMMAND of ['CHECK', 'GC', 'STATUS']) {
          await refused(6, /cniVersion/, { CNI_COMMAND }, conf({ cniVersion: 'rot' }));
        }
      },
    },
    {
      id: 'S17',
      requires: 'A network name with "%": code 7.',
      shows: 'the name is in details',
      test: async () => assert.is((await refusal({}, conf({ name: 'a%' }))).details, 'a%'),
    },
    {
      id: 'S18',
      requires: "A plugin's own version that is garbage: code 6.",
      inapplicable: 'the list of versions is part of the program, not given to it',
    },
    {
      id: 'S19-S24',
      requires: 'The same for GC, and STATUS, with 1.1.0.',
      shows: 'refused for 0.3.0 to 1.0.0, served for 1.1.0',
      test: async () => {
        for (const command of SINCE_1_1) {
          for (const older of SUPPORTED_VERSIONS.slice(0, -1)) await gated(command, older, '1.1.0');
        }
      },
    },
    {
      id: 'S25',
      requires: 'DEL works without CNI_NETNS.',
      shows: 'missing and empty',
      test: async () => {
        for (const CNI_NETNS of [undefined, '']) silent(await call({ CNI_COMMAND: 'DEL', CNI_NETNS }));
      },
    },
    {
      id: 'S26-S27',
      everyWay: true,
      requires: 'VERSION prints JSON and needs no other variable.',
      shows: 'with CNI_COMMAND alone',
      test: async () => {
        const { json } = await callWith({ CNI_COMMAND: 'VERSION' }, '');
        assert.is(json.supportedVersions.at(-1), '1.1.0');
      },
    },
    {
      id: 'S28',
      everyWay: true,
      requires: 'VERSION does not read stdin.',
      shows: 'it answers while stdin stays open',
      test: async () => {
        const { stdout, exitCode } = await withOpenStdin({ CNI_COMMAND: 'VERSION' });
        assert.equal([exitCode, JSON.parse(stdout).cniVersion], [0, '1.1.0']);
      },
    },
    {
      id: 'S29',
      requires: 'An unknown command: code 4.',
      shows: 'UPDATE',
      test: () => refused(4, 'unknown CNI_COMMAND: UPDATE', { CNI_COMMAND: 'UPDATE' }),
    },
    {
      id: 'S30',
      everyWay: true,
      requires: 'A blank command, and the plugin has an about text: it is on stderr, exit 0.',
      shows: 'R1.7, and nothing is read from stdin',
      test: async () =>
        WAY === 'one-shot' ? noAbout() : assert.equal(await withOpenStdin({}), { stdout: '', exitCode: 0 }),
    },
    {
      id: 'S31',
      requires: 'A blank command, and the plugin has no about text: code 4.',
      inapplicable: 'there is an about text',
    },
    {
      id: 'S32',
      requires: 'stdin that cannot be read: code 5.',
      shows: 'R1.8',
      test: () =>
        ENVIRONMENT.rows
          .filter(isTested)
          .find(({ id }) => id === 'R1.8 read')
          ?.test(),
    },
    {
      id: 'S33',
      requires: 'An error with a code of its own passes unchanged.',
      shows: 'in process: each of our errors has its number, its message and its details',
      test: () => {
        const error = new BindingError('LINK_MISSING', 'Cannot x: y', { details: 'z' });
        assert.equal(toErrorResult(error, '1.0.0'), {
          cniVersion: '1.0.0',
          code: 100,
          msg: 'Cannot x: y',
          details: 'z',
        });
      },
    },
    {
      id: 'S34',
      requires: 'Any other error: code 999.',
      shows: 'in process: a TypeError, with its stack in details, and a thrown string',
      test: () => {
        const error = new TypeError('x is not a function');
        const { code, msg, details } = toErrorResult(error, '1.0.0');
        assert.equal([code, msg, details], [999, 'x is not a function', error.stack]);
        assert.equal(toErrorResult('boom', '1.0.0'), { cniVersion: '1.0.0', code: 999, msg: 'boom' });
      },
    },
  ],
};
