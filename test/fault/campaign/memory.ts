/** Memory of programs that are killed over and over: samples of lives that are past their first seconds, and the line through them. */
import { memoryBytes } from '../../peers/program.js';
import { type Sample, trend } from '../../soak/trend.js';
import type { Restarted } from './programs.js';

const GROWN_UP_MS = 8000;

export class Memory {
  readonly #startMs = performance.now();
  readonly #samples = new Map<string, Sample[]>();

  look(programs: readonly Restarted[]): void {
    for (const program of programs) {
      const { pid } = program;
      if (pid === undefined || program.ageMs < GROWN_UP_MS) continue;
      try {
        const value = memoryBytes(pid).rssBytes / 2 ** 20;
        if (value === 0) continue;
        const samples = this.#samples.get(program.name) ?? [];
        samples.push({ atS: (performance.now() - this.#startMs) / 1000, value });
        this.#samples.set(program.name, samples);
      } catch {
        // It was killed in between.
      }
    }
  }

  /** `riseMb`: of the line, over the whole campaign. */
  of(name: string): { samples: number; meanMb: number; maxMb: number; riseMb: number } {
    const samples = this.#samples.get(name) ?? [];
    const { perHour, max } = trend(samples);
    const spanS = (samples.at(-1)?.atS ?? 0) - (samples[0]?.atS ?? 0);
    const meanMb = samples.reduce((sum, { value }) => sum + value, 0) / Math.max(1, samples.length);
    return { samples: samples.length, meanMb, maxMb: max, riseMb: (perHour * spanS) / 3600 };
  }
}
