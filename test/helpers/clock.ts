/** A clock that goes only when a test says so: for timers and `performance.now()`. */
import { mock } from 'node:test';

export interface Clock {
  /** Runs what is due within this time, in ms. */
  pass(time: number): void;
}

export function withClock<T>(act: (clock: Clock) => T): T {
  let now = 0;
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const clock = mock.method(performance, 'now', () => now);
  try {
    return act({
      pass(time) {
        // By steps of a millisecond, so that a timer sees the time at which it is due.
        for (let step = 0; step < time; step++) {
          now += 1;
          mock.timers.tick(1);
        }
      },
    });
  } finally {
    clock.mock.restore();
    mock.timers.reset();
  }
}
