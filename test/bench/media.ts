/** What copies and strips cost: CPU of ffmpeg and of this process for a minute of footage, reckoned up to a camera-hour. */
import fs from 'node:fs';
import { systemClock } from '@longroof/base/clock';
import { keyPictures } from '@longroof/edge-agent/derive/pictures';
import { chooseKeys, describe, drawStrip, loadSharp } from '@longroof/edge-agent/derive/strip';
import { transcode } from '@longroof/edge-agent/derive/transcode';
import type { BuiltFragment } from '@longroof/edge-agent/fragment/fragment';
import type { Spool, StoredFragment } from '@longroof/edge-agent/spool/spool';
import { footageOf } from '../peers/footage.js';
import { CAMERA, type MediaRecipe, makeMedia } from '../peers/media.js';

export interface MediaFigure {
  what: string;
  from: string;
  cpuSPerCameraHour: number;
  bytesPerCameraHour: number;
}

const SECONDS = 60;
const CLOCK_TICKS = 100;
/** What a camera of a wagon sends, and its sub-stream. */
const STREAMS: readonly (readonly [string, MediaRecipe])[] = [
  ['1080p25, 4 Mbit/s', CAMERA],
  ['640x360 at 15, 0.5 Mbit/s', { ...CAMERA, width: 640, height: 360, fps: 15, bitRate: 500_000 }],
];
const RATES = [150_000, 300_000, 1_000_000];

type Footage = Pick<Spool, 'read' | 'init' | 'identity'> & { stored: StoredFragment[] };

export async function benchMedia(rounds: number, say: (text: string) => void): Promise<MediaFigure[]> {
  const figures: MediaFigure[] = [];
  const sharp = await loadSharp();
  const signal = new AbortController().signal;
  for (const [from, recipe] of STREAMS) {
    const footage = await footageIn(recipe);
    const options = { spool: footage, clock: systemClock, runAs: undefined, signal };
    const add = async (what: string, work: () => Promise<number>): Promise<void> => {
      say(`${what} of ${from}`);
      figures.push({ what, from, ...(await median(rounds, work)) });
    };
    await add('strip', async () => {
      const keys = chooseKeys(footage.stored);
      const pictures = await keyPictures(keys, options);
      return (await drawStrip(sharp, pictures, describe(footage.stored, keys))).length;
    });
    for (const rateBps of RATES)
      await add(`copy at ${rateBps / 1000}k`, async () => {
        const copies = await transcode(footage.stored, rateBps, options);
        return copies.reduce((sum, { fragment }) => sum + fragment.meta.bytes, 0);
      });
  }
  return figures;
}

async function median(rounds: number, work: () => Promise<number>): Promise<Omit<MediaFigure, 'what' | 'from'>> {
  const turns: { cpuS: number; bytes: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = cpuSeconds();
    const bytes = await work();
    turns.push({ cpuS: cpuSeconds() - before, bytes });
  }
  const { cpuS, bytes } = turns.sort((a, b) => a.cpuS - b.cpuS)[Math.floor(turns.length / 2)] as (typeof turns)[number];
  return { cpuSPerCameraHour: (cpuS * 3600) / SECONDS, bytesPerCameraHour: (bytes * 3600) / SECONDS };
}

/** Of this process and of its children that have ended (proc(5): utime, stime, cutime, cstime). */
function cpuSeconds(): number {
  const stat = fs.readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) / CLOCK_TICKS;
}

/** A minute of it, as the spool would give it. */
async function footageIn(recipe: MediaRecipe): Promise<Footage> {
  const stream = { camera: 'front', rendition: 'original' as const };
  const built = await footageOf({ file: await makeMedia(recipe), seconds: SECONDS, stream, startMonoMs: 0 });
  const stored = built.map(store);
  return {
    stored,
    identity: { unit: 'wagon-1', epoch: '0'.repeat(32), run: 1, boot: 'boot' },
    read: async ({ meta }) => Buffer.concat((built[meta.seq] as BuiltFragment).parts),
    init: async () => Buffer.from((built[0] as BuiltFragment).init.bytes),
  };
}

function store({ meta }: BuiltFragment, seq: number): StoredFragment {
  const wall = { utcMs: Number(meta.startMonoMs), source: 'ntp' as const, errorMs: 10 };
  const names = { unit: 'wagon-1', epoch: '0'.repeat(32), run: 1, seq, boot: 'boot', sha256: '0'.repeat(64) };
  return { meta: { ...meta, ...names, wall }, wall, reelPath: '', offset: 0, released: false };
}
