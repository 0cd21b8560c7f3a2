/** `SHA256SUMS`: one line `HASH  PATH` for each file, as sha256sum(1) has it. May have millions of lines, so it is never held whole. */
import path from 'node:path';
import type { Disk } from '@longroof/base/disk';
import { damaged, SUMS } from './manifest.js';

const GATHER_CHARS = 256 * 1024;
const READ_BYTES = 1024 * 1024;
const LINE_CHARS_MAX = 1024;
const SEGMENT = /^[A-Za-z0-9_.-]{1,128}$/;

export interface Sum {
  /** Relative to the backup, with slashes. */
  name: string;
  sha256: string;
}

export class SumsWriter {
  readonly #disk: Disk;
  readonly #fd: number;
  #text = '';
  lines = 0;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#fd = disk.openAppend(path.join(directory, SUMS), { exclusive: true });
  }

  add({ name, sha256 }: Sum): void {
    this.#text += `${sha256}  ${name}\n`;
    this.lines += 1;
    if (this.#text.length >= GATHER_CHARS) this.#flush();
  }

  /** Durable when it returns. */
  end(): void {
    this.#flush();
    this.#disk.datasync(this.#fd);
    this.#disk.close(this.#fd);
  }

  #flush(): void {
    this.#disk.append(this.#fd, [Buffer.from(this.#text)]);
    this.#text = '';
  }
}

/** Throws `corrupt` (LR_BACKUP_DAMAGED) for a line that is none, or a path that leads elsewhere. */
export function* readSums(disk: Disk, directory: string): Generator<Sum> {
  const fd = disk.openRead(path.join(directory, SUMS));
  try {
    let rest = '';
    for (let offset = 0; ; offset += READ_BYTES) {
      const bytes = disk.read(fd, offset, READ_BYTES);
      const lines = (rest + bytes.toString('latin1')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield parse(line);
      if (rest.length > LINE_CHARS_MAX) throw damaged(`${SUMS} has a line that is too long`);
      if (bytes.length < READ_BYTES) break;
    }
    if (rest !== '') throw damaged(`${SUMS} ends within a line`);
  } finally {
    disk.close(fd);
  }
}

function parse(line: string): Sum {
  const [, sha256, name] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? [];
  const segments = name?.split('/') ?? [];
  if (!sha256 || !name || !segments.every((one) => SEGMENT.test(one) && one !== '.' && one !== '..'))
    throw damaged(`${SUMS} has a line that names no file of a backup`);
  return { name, sha256 };
}
