/** Replays crash points in two programs at a time, so that no thread's child keeps a file of another open,, and counts what was found. */

import { fork } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { CheckerTask, Finding, FromChecker } from './checker.js';
import type { CrashPoint } from './crash-points.js';
import type { Recording } from './recording.js';

const PROGRAMS = 2;

export interface Replayed {
  points: number;
  /** Fragments looked for, over all points. */
  fragments: number;
  findings: Finding[];
}

export async function replayAll(
  recording: Recording,
  points: readonly CrashPoint[],
  options: {
    folder: string;
    journalKeyPem: string;
    progress?: (done: number, findings: number) => void;
    finding?: (finding: Finding, findings: number) => void;
  },
): Promise<Replayed> {
  const replayed: Replayed = { points: 0, fragments: 0, findings: [] };
  const program = (index: number): Promise<void> => {
    const folder = path.join(options.folder, `checker-${index}`);
    fs.mkdirSync(folder, { recursive: true });
    const task: CheckerTask = {
      ...{ recording, folder, journalKeyPem: options.journalKeyPem },
      points: points.filter((_, at) => at % PROGRAMS === index),
    };
    return new Promise((resolve, reject) => {
      const checker = fork(path.join(import.meta.dirname, 'checker.js'), { serialization: 'advanced' });
      checker.send(task);
      checker.on('message', (said: unknown) => {
        const message = said as FromChecker;
        if (message.kind === 'finding') {
          replayed.findings.push(message.finding);
          options.finding?.(message.finding, replayed.findings.length);
        } else {
          replayed.points += 1;
          replayed.fragments += message.fragments;
          options.progress?.(replayed.points, replayed.findings.length);
        }
      });
      checker.on('error', reject);
      checker.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a checker ended with ${code}`))));
    });
  };
  await Promise.all(Array.from({ length: PROGRAMS }, (_, index) => program(index)));
  return replayed;
}
