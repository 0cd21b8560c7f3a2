/** A disk that counts its flushes, for the health of the medium (S8). */
import type { Clock, MonoMs } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';

const WINDOW_MS = 10_000;

export class Meter {
  readonly #clock: Clock;
  flushes = 0;
  footageBytes = 0;
  #windowStart: MonoMs;
  #windowFlushes = 0;
  #perS = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#windowStart = clock.mono();
  }

  flush(): void {
    this.flushes += 1;
  }

  /** Over the last whole window of ten seconds, or since the start. */
  get flushesPerS(): number {
    const now = this.#clock.mono();
    const passedMs = now - this.#windowStart;
    if (passedMs >= WINDOW_MS) {
      this.#perS = ((this.flushes - this.#windowFlushes) / passedMs) * 1000;
      this.#windowStart = now;
      this.#windowFlushes = this.flushes;
    } else if (this.#windowFlushes === 0 && passedMs > 0) this.#perS = (this.flushes / passedMs) * 1000;
    return Math.round(this.#perS * 100) / 100;
  }
}

export function meteredDisk(disk: Disk, meter: Meter): Disk {
  return {
    ...disk,
    datasync(fd) {
      meter.flush();
      disk.datasync(fd);
    },
    syncDirectory(directory) {
      meter.flush();
      disk.syncDirectory(directory);
    },
  };
}

/** Bytes that this thread caused to be written to the medium (proc(5), `write_bytes` of io); undefined where the kernel does not count. */
export function blockWriteBytes(disk: Disk): number | undefined {
  if (!disk.stat('/proc/thread-self/io')) return undefined;
  const match = /^write_bytes: (\d+)$/m.exec(disk.readFile('/proc/thread-self/io').toString('latin1'));
  return match ? Number(match[1]) : undefined;
}
