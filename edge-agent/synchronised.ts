/** Whether the system's clock is kept by somebody: asked of the disk now and then only. */
import type { Clock } from '@longroof/base/clock';
import type { Disk } from '@longroof/base/disk';

/** systemd-timesyncd and chrony leave these while they keep the clock. */
const SYNCHRONISED_FILES = ['/run/systemd/timesync/synchronized', '/run/chrony/synchronized'];
const SYNCHRONISED_MS = 10_000;

export function clockSynchronised(clock: Clock, disk: Disk): () => boolean {
  let answer = false;
  let nextMonoMs = Number.NEGATIVE_INFINITY;
  return () => {
    const monoMs = clock.mono();
    if (monoMs >= nextMonoMs) {
      answer = SYNCHRONISED_FILES.some((file) => disk.stat(file) !== undefined);
      nextMonoMs = monoMs + SYNCHRONISED_MS;
    }
    return answer;
  };
}
