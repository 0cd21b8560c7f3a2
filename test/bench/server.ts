/** The scripted RTSP server as a process of its own, so that what it costs is not counted, and what it has sent. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { CAMERA, makeMedia } from '../peers/media.js';
import { loadClip } from '../peers/rtsp/clip.js';
import type { RtspServerSpec, SentUnit } from '../peers/rtsp/spec.js';
import { ROOT } from '../peers/wagon.js';

export type Sender = 'frame' | 'packet';

/** The reader sends nothing once it plays, so sessions last. */
const SESSION_TIMEOUT_S = 24 * 3600;
const FRAMES_A_SECOND = 25;
const VARIANTS = 2;

export class BenchServer {
  readonly urls: readonly string[];
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  /** Bytes of a unit, its lengths included, by hash. */
  readonly #sizes: ReadonlyMap<string, number>;

  constructor(child: ChildProcess, lines: AsyncIterator<string>, urls: string[], sizes: ReadonlyMap<string, number>) {
    this.#child = child;
    this.#lines = lines;
    this.urls = urls;
    this.#sizes = sizes;
  }

  /** Media bytes that went to a player since then. */
  async bytesSince(startMonoMs: number): Promise<number> {
    let sum = 0;
    for (const url of this.urls) {
      this.#child.stdin?.write(`${JSON.stringify({ do: 'log', mount: url.split('/').at(-1) })}\n`);
      const { value } = await this.#lines.next();
      for (const unit of (JSON.parse(String(value)) as { log: SentUnit[] }).log) {
        if (unit.players > 0 && unit.sentMonoMs >= startMonoMs) sum += this.#sizes.get(unit.sha256) ?? Number.NaN;
      }
    }
    return sum;
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin?.end();
    await ended;
  }
}

/** Serves so many cameras at 1080p25 and 4 Mbit/s, and remembers what it sent for at least `seconds`. */
export async function startBenchServer(folder: string, cameras: number, sender: Sender, seconds: number): Promise<BenchServer> {
  const files = await Promise.all(Array.from({ length: VARIANTS }, (_, variant) => makeMedia({ ...CAMERA, variant })));
  const sizes = new Map<string, number>();
  for (const file of files) {
    const clip = await loadClip(file, { inBand: true, audio: false });
    for (const unit of clip.units)
      sizes.set(
        unit.sha256,
        unit.nals.reduce((sum, nal) => sum + 4 + nal.length, 0),
      );
  }
  const names = Array.from({ length: cameras }, (_, i) => `cam-${i + 1}`);
  const mounts = Object.fromEntries(names.map((name, i) => [name, { files: [files[i % VARIANTS] as string], mode: sender }]));
  const spec: RtspServerSpec = { mounts, sessionTimeoutS: SESSION_TIMEOUT_S, logMax: Math.ceil(seconds * FRAMES_A_SECOND) };
  const specFile = path.join(folder, `server-${cameras}-${sender}.json`);
  fs.writeFileSync(specFile, JSON.stringify(spec));
  const program = path.join(ROOT, 'test/dist/peers/rtsp/main.js');
  const child = spawn(process.execPath, [program, '--spec', specFile], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value } = await lines.next();
  const { port } = JSON.parse(String(value)) as { port: number };
  return new BenchServer(
    child,
    lines,
    names.map((name) => `rtsp://127.0.0.1:${port}/${name}`),
    sizes,
  );
}
