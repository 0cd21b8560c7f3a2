/** 6. Where footage lies at the centre. One contract suite for every kind of store. Keys: `UNIT/EPOCH/STREAM/RUN/SEQ-SHA256`. */
export interface BlobWriter {
  /** Appends in order. */
  write(bytes: Uint8Array): Promise<void>;
  /** Durable under its key when this resolves: data sync, rename, directory sync. */
  commit(): Promise<void>;
  abort(): Promise<void>;
}

export interface BlobStore {
  create(key: string): Promise<BlobWriter>;
  has(key: string): Promise<boolean>;
  /** Undefined where there is none. `endExclusive` as in slice. */
  read(key: string, start?: number, endExclusive?: number): Promise<Buffer | undefined>;
}

export interface FragmentKeyParts {
  unit: string;
  epoch: string;
  stream: string;
  run: number;
  seq: number;
  sha256: string;
}

export function fragmentKey(parts: FragmentKeyParts): string {
  return `${parts.unit}/${parts.epoch}/${parts.stream}/${parts.run}/${parts.seq}-${parts.sha256}`;
}
