/** The three that take turns: the agent, an ffmpeg for each camera, and a C program that only reads and writes. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { type Program, startProgram } from '../peers/program.js';
import { bin, prepareWagon, ROOT } from '../peers/wagon.js';

export const RECORDERS = ['ours', 'ffmpeg', 'reader'] as const;
export type RecorderName = (typeof RECORDERS)[number];

export interface Running {
  /** The processes that were started; their children count too. */
  programs: readonly Program[];
  stop(): Promise<void>;
  /** Where the footage is, and nothing else. */
  footage: string;
}

/** A machine that measures three recorders may be busy. */
const START_MS_MAX = 30_000;

/** Compiles the reader; gives its path. */
export function compileReader(folder: string): string {
  const program = path.join(folder, 'reader');
  execFileSync('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, path.join(ROOT, 'test/bench/reader.c')], { stdio: 'inherit' });
  return program;
}

/** Starts one of them on all addresses, with a folder of its own that did not exist before. */
export function startRecorder(name: RecorderName, urls: readonly string[], folder: string, reader: string): Promise<Running> {
  fs.mkdirSync(folder, { recursive: true });
  if (name === 'ours') return startOurs(urls, folder);
  if (name === 'ffmpeg') return startFfmpeg(urls, folder);
  return startReader(urls, folder, reader);
}

async function startOurs(urls: readonly string[], folder: string): Promise<Running> {
  const cameras = urls.map((url, i) => ({ id: `cam-${i + 1}`, url }));
  const file = await prepareWagon({ folder, authority: path.join(folder, 'authority'), cameras, quota: '20GB' });
  const agent = startProgram(bin('edge-agent', 'longroof-agent'), ['--config', file]);
  try {
    // Started is not recording: an agent whose disk refuses runs all the same, and makes no folder.
    await agent.says(/"msg":"recording"/, START_MS_MAX);
  } catch (error) {
    await agent.stop('SIGKILL');
    throw error;
  }
  return {
    programs: [agent],
    footage: path.join(folder, 'spool/reels'),
    async stop() {
      const how = await agent.stop('SIGTERM');
      if (how !== 0) throw new Error(`the agent ended with ${how}:\n${agent.output().slice(-4000)}`);
    },
  };
}

async function startFfmpeg(urls: readonly string[], folder: string): Promise<Running> {
  const quiet = ['-nostdin', '-hide_banner', '-loglevel', 'error', '-y'];
  const muxer = ['-c', 'copy', '-f', 'mp4', '-movflags', 'frag_keyframe+empty_moov'];
  const programs = urls.map((url, i) =>
    startProgram('ffmpeg', [...quiet, '-rtsp_transport', 'tcp', '-i', url, ...muxer, path.join(folder, `${i}.mp4`)]),
  );
  return { programs, footage: folder, stop: async () => void (await Promise.all(programs.map((program) => program.stop('SIGINT')))) };
}

async function startReader(urls: readonly string[], folder: string, reader: string): Promise<Running> {
  const program = startProgram(reader, [folder, ...urls]);
  await program.says(/playing/);
  return { programs: [program], footage: folder, stop: async () => void (await program.stop('SIGTERM')) };
}

/** Bytes of all files below. Throws where there is no folder, with what its recorders have said. */
export function bytesBelow({ footage: folder, programs }: Pick<Running, 'footage' | 'programs'>): number {
  if (!fs.existsSync(folder)) {
    const said = programs.map((program) => program.output().slice(-4000)).join('\n');
    throw new Error(`nothing was recorded: there is no ${folder}. The recorder said:\n${said}`);
  }
  return fs
    .readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + fs.statSync(path.join(entry.parentPath, entry.name)).size, 0);
}
