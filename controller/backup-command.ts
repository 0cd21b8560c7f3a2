/** `longroof-controller backup`, `restore`, `restored`: what they print. Progress goes to standard error, results to standard output. */
import { canonicalJson, type Json } from '@longroof/base/canonical';
import { type MonoMs, rfc3339, systemClock } from '@longroof/base/clock';
import { systemCopyDisk } from '@longroof/base/copy';
import { systemDisk, writeDurably } from '@longroof/base/disk';
import { silentLog } from '@longroof/base/log';
import { makeBackup, type Progress } from './backup/backup.js';
import { checkRestored, restoreBackup, verifyBackup } from './backup/restore.js';
import { loadControllerConfig } from './config.js';
import { RestoreReader } from './fleet/restores.js';
import { restoreText } from './restore-text.js';
import { openStore } from './store/open.js';
import { VERSION } from './version.js';

const SAY_MS = 1000;
const GB = 1e9;
const WORDS: Readonly<Record<Progress['step'], string>> = {
  database: 'copying the database',
  footage: 'footage',
  check: 'checking the backup',
  place: 'putting in place',
};

/** One line each second at most, and one for each step. */
function progressLines(): (progress: Progress) => void {
  let saidMs: MonoMs = Number.NEGATIVE_INFINITY;
  let step: Progress['step'] | undefined;
  return (progress) => {
    const { fragments, bytes, bytesTotal } = progress;
    const nowMs = systemClock.mono();
    if (progress.step === step && nowMs - saidMs < SAY_MS && (bytes < bytesTotal || bytesTotal === 0)) return;
    saidMs = nowMs;
    step = progress.step;
    const share = bytesTotal > 0 ? ` ${Math.floor((100 * bytes) / bytesTotal)} %,` : '';
    const how = progress.step === 'database' ? '' : `:${share} ${fragments} fragments, ${(bytes / GB).toFixed(2)} GB`;
    process.stderr.write(`${WORDS[progress.step]}${how}\n`);
  };
}

const tools = () => ({ disk: systemDisk, copyDisk: systemCopyDisk, progress: progressLines() });

/** The exit code: 3 where footage that the database names was not to be had whole. */
export async function backup(configFile: string, to: string): Promise<number> {
  const { data, authority } = loadControllerConfig(systemDisk, configFile);
  checkRestored(systemDisk, data);
  const { manifest, sha256 } = await makeBackup({ ...tools(), data, authority, to, version: VERSION, now: systemClock.utc });
  const { fragments, footageBytes, files, damaged } = manifest;
  process.stdout.write(
    `backup good: ${fragments} fragments (${footageBytes} bytes), ${files} files, every one checked; manifest SHA-256 ${sha256}\n` +
      'It holds the keys of the centre and of the fleet: keep it where only those may read it who may enrol units.\n',
  );
  if (damaged.length === 0) return 0;
  process.stdout.write(`NOT IN IT: ${damaged.length} fragments that are damaged or gone at the centre; manifest.json names them\n`);
  return 3;
}

export async function checkBackup(from: string): Promise<number> {
  const { manifest } = await verifyBackup({ ...tools(), from });
  process.stdout.write(`backup good: made ${rfc3339(manifest.madeUtcMs)}, ${manifest.fragments} fragments, every file as it was\n`);
  return manifest.damaged.length === 0 ? 0 : 3;
}

export async function restore(configFile: string, from: string, replace: boolean): Promise<number> {
  const { data, authority } = loadControllerConfig(systemDisk, configFile);
  const done = await restoreBackup({ ...tools(), from, data, authority, replace, clock: systemClock, log: silentLog });
  for (const folder of done.aside) process.stdout.write(`what was there before: ${folder}\n`);
  process.stdout.write(
    `restored to what it was ${rfc3339(done.manifest.madeUtcMs)}; store epoch ${done.storeEpoch}\n` +
      'Start the controller. Units offer again what they still have; `longroof-controller restored` tells what came back and what is lost.\n',
  );
  return 0;
}

export async function restored(configFile: string, options: { json?: boolean; out?: string }): Promise<number> {
  const { data } = loadControllerConfig(systemDisk, configFile);
  checkRestored(systemDisk, data);
  const store = await openStore({ dir: data, clock: systemClock, log: silentLog });
  try {
    const restores = await new RestoreReader(store.db).list(Number.MAX_SAFE_INTEGER);
    const text = options.json ? `${canonicalJson({ restores } as unknown as Json)}\n` : restoreText(restores);
    if (options.out === undefined) process.stdout.write(text);
    else {
      writeDurably(systemDisk, options.out, text);
      process.stdout.write(`written to ${options.out}\n`);
    }
    return 0;
  } finally {
    await store.close();
  }
}
