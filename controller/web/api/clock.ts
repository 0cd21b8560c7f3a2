/**
 * The centre's time, as the page knows it: this computer's clock, corrected by the `Date` header of the last answer when the two
 * differ by more than the header's resolution explains. Nobody then asks for footage of the wrong hour because of a wrong PC clock.
 */
let offsetMs = 0;

/** UTC milliseconds. */
export function nowMs(): number {
  return Math.round(performance.timeOrigin + performance.now()) + offsetMs;
}

/** Takes the `Date` header of an answer; it has whole seconds. */
export function learnTime(header: string | null): void {
  const centreMs = header ? Date.parse(header) : Number.NaN;
  if (!Number.isFinite(centreMs)) return;
  const differenceMs = centreMs + 500 - nowMs();
  if (Math.abs(differenceMs) > 2_000) offsetMs += differenceMs;
}
