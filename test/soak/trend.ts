/** Straight line through samples by least squares: is a measure flat? */
export interface Sample {
  atS: number;
  value: number;
}

export interface Trend {
  perHour: number;
  first: number;
  last: number;
  max: number;
}

/** `fromS` leaves out the warm-up. */
export function trend(samples: readonly Sample[], fromS = 0): Trend {
  const used = samples.filter((sample) => sample.atS >= fromS);
  const meanX = used.reduce((sum, sample) => sum + sample.atS, 0) / Math.max(1, used.length);
  const meanY = used.reduce((sum, sample) => sum + sample.value, 0) / Math.max(1, used.length);
  let above = 0;
  let below = 0;
  for (const sample of used) {
    above += (sample.atS - meanX) * (sample.value - meanY);
    below += (sample.atS - meanX) ** 2;
  }
  return {
    perHour: below === 0 ? 0 : (above / below) * 3600,
    first: used[0]?.value ?? 0,
    last: used.at(-1)?.value ?? 0,
    max: used.reduce((most, sample) => Math.max(most, sample.value), 0),
  };
}
