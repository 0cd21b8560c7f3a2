/** Computed MP4 files, the least recently used leave first; two who ask for the same one wait for one computation. */
import type { PlainMp4 } from './plain-mp4.js';

/** Computations at the same time; the others wait their turn. */
const BUILDS_MAX = 2;

export class FileCache {
  readonly #bytesMax: number;
  readonly #files = new Map<string, PlainMp4>();
  readonly #building = new Map<string, Promise<PlainMp4>>();
  #weight = 0;
  #builds = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  async get(key: string, build: () => Promise<PlainMp4>): Promise<PlainMp4> {
    const known = this.#files.get(key);
    if (known) {
      this.#files.delete(key);
      this.#files.set(key, known);
      return known;
    }
    const current = this.#building.get(key);
    if (current) return current;
    const made = this.#build(key, build);
    this.#building.set(key, made);
    try {
      return await made;
    } finally {
      this.#building.delete(key);
    }
  }

  async #build(key: string, build: () => Promise<PlainMp4>): Promise<PlainMp4> {
    while (this.#builds >= BUILDS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#builds += 1;
    try {
      const file = await build();
      this.#files.set(key, file);
      this.#weight += file.weight;
      this.#evict();
      return file;
    } finally {
      this.#builds -= 1;
      this.#waiting.shift()?.();
    }
  }

  /** The newest stays, however large it is. */
  #evict(): void {
    for (const [key, file] of this.#files) {
      if (this.#weight <= this.#bytesMax || this.#files.size === 1) return;
      this.#files.delete(key);
      this.#weight -= file.weight;
    }
  }
}
