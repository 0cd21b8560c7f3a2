/** The file under examination: read where it is asked for, never whole, never written. */
import type { Disk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';

export interface Source {
  readonly bytes: number;
  /** Exactly the bytes [from, toExclusive). Throws LR_PROOF_ZIP where the file is shorter. */
  read(from: number, toExclusive: number): Buffer;
}

export interface OpenSource extends Source {
  close(): void;
}

export function openSource(disk: Disk, file: string): OpenSource {
  const stat = disk.stat(file);
  if (!stat?.isFile) throw new Fault('not-found', 'LR_PROOF_FILE', `${file}: no such file`);
  const fd = disk.openRead(file);
  return {
    bytes: stat.bytes,
    read: (from, toExclusive) => exactly(disk.read(fd, from, Math.max(0, toExclusive - from)), toExclusive - from),
    close: () => disk.close(fd),
  };
}

/** A part of another source, as one of its own. */
export function part(source: Source, from: number, bytes: number): Source {
  return {
    bytes,
    read: (start, end) => {
      if (start < 0 || start > end || end > bytes) throw broken('LR_PROOF_ZIP', 'a file ends too early');
      return source.read(from + start, from + end);
    },
  };
}

function exactly(bytes: Buffer, wanted: number): Buffer {
  if (bytes.length !== wanted) throw broken('LR_PROOF_ZIP', 'the file ends too early');
  return bytes;
}

/** What makes a proof false. */
export function broken(code: string, message: string): Fault {
  return new Fault('corrupt', code, message);
}
