/**
 * `node test/run.ts` runs this file: Node.js appends the extension. It is JavaScript, so that an older
 * Node.js, which cannot run TypeScript, says what to do instead of printing a stack trace.
 */
if (process.features.typescript) {
  await import('./runner.ts');
} else {
  const [reason, advice] = [
    `Node.js ${process.version} cannot run TypeScript`,
    'run "npm test -- unit/cni" once, then "PATH=$PWD/node_modules/.bin:$PATH node test/run.ts"',
  ];
  console.error(`Cannot run the tests: ${reason}; ${advice}`);
  process.exitCode = 1;
}
