/**
 * Milliseconds after which a test considers something hung. Nothing here takes as long on the
 * slowest and busiest machine, so that this does not measure speed: `npm run bench` does.
 */
export const HANG = 120_000;
