/** What many measurements of one thing come to. */
export interface Spread {
  readonly median: number;
  readonly p90: number;
  /** How many there were. */
  readonly n: number;
}

/** The value below which `share` of the values lie, between two of them in proportion. Of none, NaN. */
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

/** Four digits: what is behind them is noise. */
export const round = (value: number): number =>
  Number.isFinite(value) ? Number(value.toPrecision(4)) : value;

/** In an order of its own, so that nobody always comes after the same neighbour. */
export function shuffled<T>(values: readonly T[], random: () => number): readonly T[] {
  const rest = [...values];
  for (let last = rest.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [rest[last], rest[other]] = [rest[other] as T, rest[last] as T];
  }
  return rest;
}
