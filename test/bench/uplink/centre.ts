/** The centre of the uplink's bench: the real embedded broker, ingest and store; counts footage as it arrives. */
import { letHeapGrow } from '@longroof/controller/heap';
import type { BlobStore } from '@longroof/controller/store/blobs';
import { type Centre, startCentre } from '../../ingest/centre.js';
import { serve } from './child.js';

export interface CentreStart {
  dir: string;
  host: string;
  unit: string;
}

let centre: Centre;
let footageBytes = 0;

/** Bytes of footage that came, also those of fragments that are not whole yet. */
function counted(blobs: BlobStore): BlobStore {
  return {
    create: async (key) => {
      const writer = await blobs.create(key);
      const write = writer.write.bind(writer);
      writer.write = (bytes) => {
        footageBytes += bytes.length;
        return write(bytes);
      };
      return writer;
    },
    has: (key) => blobs.has(key),
    read: (key, start, end) => blobs.read(key, start, end),
  };
}

serve({
  async start({ dir, host, unit }: CentreStart) {
    // As the program does.
    letHeapGrow();
    centre = await startCentre(dir, { wrapBlobs: counted, host });
    return { port: centre.port, identity: await centre.authority.issueUnit(unit) };
  },
  pull: ({ unit, fromUtcMs, toUtcMs }: { unit: string; fromUtcMs: number; toUtcMs: number }) =>
    centre.pulls.create('staff', { unitId: unit, cameras: ['front'], fromUtcMs, toUtcMs, rendition: 'original', reason: 'a bench' }),
  progress: async ({ id }: { id?: string }) => ({
    footageBytes,
    state: id === undefined ? undefined : (await centre.pulls.get(id))?.state,
    counters: centre.ingest.counters,
  }),
});
