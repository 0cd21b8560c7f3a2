/**
 * What the two programs of the crash points share: the spool's options, and what stands in it as its index and journal tell. The clock
 * is simulated, so that minutes of recording take seconds; disk, file system, index and journal are the real ones.
 */
import { generateKeyPairSync } from 'node:crypto';
import type { Clock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import type { SpoolCore } from '@longroof/edge-agent/spool/core';
import type { CoreOptions } from '@longroof/edge-agent/spool/recover';
import { type StreamName, streamText } from '@longroof/protocol/fragment';

export const STREAMS: StreamName[] = [
  { camera: 'front', rendition: 'original' },
  { camera: 'front', rendition: 'proxy' },
  { camera: 'rear', rendition: 'original' },
];

export function newKey(): string {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** A quota so small that old reels must go while the run lasts. */
export function spoolOptions(path: string, journalKeyPem: string, boot: string, clock: Clock): CoreOptions {
  return {
    ...{ path, quotaBytes: 3 * 2 ** 20, unit: 'wagon-1', journalKeyPem, version: '1', configSha256: '00', boot, disk: systemDisk, clock },
    cameras: [
      { camera: 'front', renditions: ['original', 'proxy'] },
      { camera: 'rear', renditions: ['original'] },
    ],
    retention: { originalMs: 120_000, proxyMs: 120_000 },
  };
}

/** Hash of each fragment that the index has, by stream, run and number. */
export function rowsOf(core: SpoolCore): Map<string, string> {
  const rows = new Map<string, string>();
  for (const { id, name } of core.state.index.streams())
    for (const reel of [...core.state.index.reelsOfStream(id)])
      for (const row of core.state.index.fragments(reel)) rows.set(`${name}/${reel.run}/${row.seq}`, row.sha.toString('hex'));
  return rows;
}

export function streamKey(stream: StreamName): string {
  return streamText(stream);
}

/** Said by the writer when a commit has ended: what is durable from now on, and what may be gone since the mark before. */
export interface Mark {
  added: [key: string, sha256: string][];
  gone: string[];
  /** Records of the journal whose durability was reported: number and note. */
  records: [seq: number, note: string][];
  utcMs: number;
}
