/**
 * Milliseconds after which a test calls something hung. No machine is so slow or so busy that anything here takes as long, so
 * this is no measure of speed: that is for `npm run bench`, which compares.
 */
export const HANG = 120_000;
