import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { SUPPORTED_VERSIONS } from '../../../cni/request/version.ts';
import type { Section } from '../../helpers/plugin/conformance.ts';
import { plugin, WAY } from '../../helpers/plugin/way.ts';
import { dumpNetns, sameNetns } from '../../helpers/pod/netns.ts';
import {
  ALL_VARIABLES,
  type Changes,
  call,
  conf,
  environment,
  NEWEST,
  needs,
  noAbout,
  REQUIRED,
  reachesNetns,
  refusal,
  refused,
  roundTrip,
  silent,
  succeeds,
  versionFor,
} from './calls.ts';
import { onPod } from './pods.ts';

/** DEL of a container that has a pod link and a tap of another; nothing happens. */
const deletesNothing = (changes: Changes, input?: string): Promise<void> =>
  onPod(async (request, netns) => {
    await succeeds('ADD', { ...request, containerId: 'another' });
    const wired = await dumpNetns(netns);
    silent(await call({ CNI_COMMAND: 'DEL', CNI_NETNS: netns.path, ...changes }, input));
    sameNetns(await dumpNetns(netns), wired);
    await succeeds('DEL', { ...request, containerId: 'another' });
  });

export const ENVIRONMENT: Section = {
  title: '1.1 Commands and environment',
  rows: [
    {
      id: 'R1.1',
      everyWay: true,
      requires: 'All missing variables are reported at once, in a fixed order, with code 4.',
      shows:
        'ADD without any variable names CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME and CNI_PATH, in that order',
      test: async () => {
        const none = Object.fromEntries(ALL_VARIABLES.map((variable) => [variable, undefined]));
        await refused(4, `required env variables [${ALL_VARIABLES.join(',')}] missing`, none);
        await refused(4, 'required env variables [CNI_NETNS,CNI_PATH] missing', {
          CNI_NETNS: '',
          CNI_PATH: undefined,
        });
      },
    },
    ...Object.keys(REQUIRED).map((command) => ({
      id: `R1.1 ${command}`,
      ...(command === 'DEL'
        ? {
            differs:
              'the reference skeleton wants CNI_PATH as well, which the specification calls optional; nothing is delegated, and a pod can be deleted without',
          }
        : {}),
      requires: `${command} requires ${REQUIRED[command]?.join(', ') || 'no variable beside CNI_COMMAND'}.`,
      shows:
        command === 'VERSION'
          ? 'VERSION succeeds without any'
          : `${command} names each one that is missing or empty, and does without the others`,
      test: () => needs(command),
    })),
    {
      id: 'R1.2',
      requires:
        'An invalid value is reported before a missing one, and only where the command needs the variable.',
      shows: 'a bad container id is told while CNI_NETNS is missing; STATUS does not mind it',
      test: async () => {
        await refused(4, 'invalid characters in containerID', {
          CNI_CONTAINERID: '../x',
          CNI_NETNS: undefined,
        });
        await refused(4, 'interface name is . or ..', { CNI_IFNAME: '..', CNI_PATH: undefined });
        silent(await call({ CNI_COMMAND: 'STATUS', CNI_CONTAINERID: '../x', CNI_IFNAME: '/' }, conf(NEWEST)));
      },
    },
    {
      id: 'R1.3',
      requires:
        'A container id is alphanumeric first, then also "_", "." and "-"; else code 4 with the value in details.',
      differs:
        'DEL of one that ADD rejects succeeds: there is nothing of it, and an error would keep its pod from being deleted',
      shows:
        'ADD refuses ten bad ids, the value in details; good ones pass; DEL of a bad one changes nothing',
      test: async () => {
        await deletesNothing({ CNI_CONTAINERID: 'a/b' });
        for (const id of ['a/b', '-a', '.a', '_a', 'a b', 'a\n', 'ä', '../..', 'a:b', 'a%']) {
          const { code, msg, details } = await refusal({ CNI_CONTAINERID: id });
          assert.equal([code, msg, details], [4, 'invalid characters in containerID', id]);
        }
        for (const id of ['a', '0', 'a_b.c-D', 'f'.repeat(1000)]) await reachesNetns({ CNI_CONTAINERID: id });
      },
    },
    ...(
      [
        ['is empty', 'interface name is empty', []],
        ['has more than 15 bytes', 'interface name is too long', ['sixteen-bytes-ab', 'ääääääää']],
        ['is "." or ".."', 'interface name is . or ..', ['.', '..']],
        [
          'has a slash, a colon or white space',
          'interface name contains / or : or whitespace characters',
          ['a/b', 'a:b', 'a b', 'a\tb', 'a\nb', 'a\u00a0b', 'a\u2003b', 'a\u3000b'],
        ],
      ] as const
    ).map(([why, msg, names]) => ({
      id: `R1.4 ${why}`,
      requires: `CNI_IFNAME that ${why}: code 4, "${msg}".`,
      ...(names.length === 0
        ? { shows: 'an empty one is a missing one for ADD, CHECK and DEL, as in the reference skeleton' }
        : {
            differs:
              'DEL succeeds: the library checks the name before it calls ADD, but not before DEL, which comes all the same',
            shows: `ADD and CHECK refuse ${names.length} such names; DEL changes nothing`,
          }),
      test: async () => {
        for (const CNI_COMMAND of ['ADD', 'CHECK', 'DEL']) {
          if (names.length === 0) {
            await refused(4, 'required env variables [CNI_IFNAME] missing', { CNI_COMMAND, CNI_IFNAME: '' });
          }
        }
        for (const CNI_IFNAME of names) {
          for (const CNI_COMMAND of ['ADD', 'CHECK']) await refused(4, msg, { CNI_COMMAND, CNI_IFNAME });
          silent(await call({ CNI_COMMAND: 'DEL', CNI_IFNAME }));
        }
        const [CNI_IFNAME] = names;
        if (CNI_IFNAME !== undefined) await deletesNothing({ CNI_IFNAME });
      },
    })),
    {
      id: 'R1.4 fits',
      requires: 'An interface name of 1 to 15 bytes, counted in bytes, is fine.',
      shows: 'names of 1 and 15 bytes pass, also with other than ASCII letters',
      test: async () => {
        for (const name of ['a', 'fifteen-bytes-a', 'äääääää', '...'])
          await reachesNetns({ CNI_IFNAME: name });
      },
    },
    {
      id: 'R1.5',
      requires:
        '$.name follows the rule of the container id; empty or bad: code 7, for every command but VERSION.',
      differs: 'DEL reads nothing of the configuration (R7.1 configuration)',
      shows: 'four commands refuse a missing, an empty and a bad name',
      test: async () => {
        for (const command of ['ADD', 'CHECK', 'GC', 'STATUS']) {
          const named = (name: unknown) => conf({ ...versionFor(command), name });
          for (const name of [undefined, null, '']) {
            await refused(7, 'missing network name', { CNI_COMMAND: command }, named(name));
          }
          const error = await refusal({ CNI_COMMAND: command }, named('a%b'));
          assert.equal(
            [error.code, error.msg, error.details],
            [7, 'invalid characters found in network name', 'a%b'],
          );
        }
      },
    },
    {
      id: 'R1.6',
      requires: 'An unknown command: code 4, "unknown CNI_COMMAND"; commands are case-sensitive.',
      shows: 'NOPE, add, "ADD " and __proto__ are unknown',
      test: async () => {
        for (const command of ['NOPE', 'add', 'ADD ', '__proto__', 'constructor']) {
          await refused(4, `unknown CNI_COMMAND: ${command}`, { CNI_COMMAND: command });
        }
      },
    },
    {
      id: 'R1.7',
      everyWay: true,
      requires:
        'Without a command a plugin with an about text prints it and its versions on stderr, nothing on stdout, exit 0.',
      shows: 'the about text and the versions 0.3.0 to 1.1.0 are on stderr',
      test: async () => {
        if (WAY === 'one-shot') return noAbout();
        for (const CNI_COMMAND of [undefined, '']) {
          const { exitCode, stdout, stderr } = await call({ CNI_COMMAND }, '');
          assert.equal([exitCode, stdout], [0, '']);
          assert.match(stderr, /^CNI plugin tapwire v\d+\.\d+\.\d+: .+\n/);
          assert.match(stderr, `CNI protocol versions supported: ${SUPPORTED_VERSIONS.join(', ')}`);
        }
      },
    },
    {
      id: 'R1.8 read',
      everyWay: true,
      requires: 'stdin that cannot be read: code 5, "error reading from stdin".',
      shows: 'a directory as stdin',
      test: async () => {
        const fd = openSync('/', 'r');
        try {
          const {
            words: [program, ...words],
            env,
          } = await plugin(environment({}));
          const { stdout, status } = spawnSync(program, words, { stdio: [fd, 'pipe', 'ignore'], env });
          const { code, msg } = JSON.parse(stdout.toString());
          assert.equal([status, code], [1, 5]);
          assert.match(msg, /^error reading from stdin: .*(EISDIR|Is a directory)/);
        } finally {
          closeSync(fd);
        }
      },
    },
    {
      id: 'R1.8 parse',
      everyWay: true,
      requires: 'stdin that is not JSON: code 6.',
      shows: 'nothing, half a document, two documents and a comment are code 6',
      test: async () => {
        for (const text of [
          '',
          '{',
          '{"name":',
          'nope',
          '{}{}',
          '// {}\n{}',
          "{'name': 'x'}",
          '{"name": "x",}',
        ]) {
          await refused(6, /^Cannot parse the network configuration: /, {}, text);
        }
      },
    },
    {
      id: 'R1.9',
      everyWay: true,
      requires: 'Runtimes call a plugin for several containers at once.',
      shows: 'six pods get ADD, CHECK and DEL at once; each is wired and left as it was',
      test: () => Promise.all(Array.from({ length: 6 }, () => onPod(roundTrip))),
    },
    {
      id: 'R1.10',
      everyWay: true,
      requires:
        'Exit status 0 for success, another for failure; the error is JSON on stdout; stderr is for logs.',
      shows: 'a failure is one JSON document on stdout, one JSON line on stderr, exit status 1',
      test: async () => {
        const { exitCode, stdout, stderr } = await call({});
        assert.is(exitCode, 1);
        assert.is(JSON.parse(stdout).code, 8);
        assert.equal(
          stderr.split('\n').map((line) => JSON.parse(line).level),
          ['error'],
        );
      },
    },
  ],
};
