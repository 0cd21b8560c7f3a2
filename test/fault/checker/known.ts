/** What the checker is given and what it says. It shares no code with the agent or the centre: only their formats on disk. */

/** One fragment that was durable at some moment, as the run wrote it down, one JSON object a line. */
export interface Durable {
  epoch: string;
  camera: string;
  rendition: string;
  run: number;
  seq: number;
  sha256: string;
  bytes: number;
  /** UTC by the clock of the test, which is never stepped. */
  fromUtcMs: number;
  toUtcMs: number;
  /** What the wagon claimed is the same within half a second. */
  clockTrue: boolean;
}

/** A request for footage to which the centre answered 201. */
export interface AskedPull {
  id: string;
  cameras: string[];
  rendition: string;
  fromUtcMs: number;
  toUtcMs: number;
}

export interface FragmentName {
  epoch: string;
  camera: string;
  rendition: string;
  run: number;
  seq: number;
}

export function nameOf({ epoch, camera, rendition, run, seq }: FragmentName): string {
  return `${epoch}/${camera}.${rendition}/${run}/${seq}`;
}

/** Everything that is wrong, bounded, and counts of what was looked at. */
export class Findings {
  readonly list: string[] = [];
  count = 0;
  readonly counts: Record<string, number> = {};

  add(what: string): void {
    this.count += 1;
    if (this.list.length < 60) this.list.push(what);
  }

  tally(name: string, by = 1): void {
    this.counts[name] = (this.counts[name] ?? 0) + by;
  }
}
