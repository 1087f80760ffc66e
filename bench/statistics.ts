/** A summary of many measurements of one quantity. */
export interface Spread {
  readonly median: number;
  readonly p90: number;
  /** Number of measurements. */
  readonly n: number;
}

/** Returns the `share` quantile, interpolated linearly; NaN without values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const [below, above] = [sorted[Math.floor(place)] ?? Number.NaN, sorted[Math.ceil(place)] ?? Number.NaN];
  return below + (above - below) * (place - Math.floor(place));
}

export const spread = (values: readonly number[]): Spread => ({
  median: round(quantile(values, 0.5)),
  p90: round(quantile(values, 0.9)),
  n: values.length,
});

/** Rounds to four significant digits; the others are noise. */
export const round = (value: number): number =>
  Number.isFinite(value) ? Number(value.toPrecision(4)) : value;

/** Returns the values in random order, so that none always follows the same one. */
export function shuffled<T>(values: readonly T[], random: () => number): readonly T[] {
  const rest = [...values];
  for (let last = rest.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [rest[last], rest[other]] = [rest[other] as T, rest[last] as T];
  }
  return rest;
}
