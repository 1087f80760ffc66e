import type { Test } from 'uvu';

/** A test that waits for most of its time. */
export interface Scene {
  readonly title: string;
  readonly run: () => Promise<void>;
}

/** Scenes that run at a time. */
const LANES = 6;

/** Registers a test for each scene, and runs them next to each other. */
export function testAtOnce(test: Test, scenes: readonly Scene[]): void {
  const results = scenes.map(() => Promise.withResolvers<void>());
  for (const { promise } of results) promise.catch(() => {}); // The scene's own test reports it.
  let next = 0;
  const runLane = async (): Promise<void> => {
    for (let i = next++; i < scenes.length; i = next++) {
      const { resolve, reject } = results[i] ?? {};
      await scenes[i]?.run().then(resolve, reject);
    }
  };
  for (const [i, { title }] of scenes.entries())
    test(title, () => {
      if (next === 0) for (let lane = 0; lane < LANES; lane++) void runLane();
      return results[i]?.promise;
    });
}
