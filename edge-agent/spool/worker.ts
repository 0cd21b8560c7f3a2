/** The spool's thread: takes messages in order, hands them to the core, commits at each tick. The only thread that touches the disk. */
import { parentPort } from 'node:worker_threads';
import { systemClock } from '@longroof/base/clock';
import { type Disk, systemDisk } from '@longroof/base/disk';
import { assert, Fault, toFault } from '@longroof/base/errors';
import { streamText } from '@longroof/protocol/fragment';
import type { InitSegment } from '../fragment/fragment.js';
import { openCore } from './core.js';
import { toDiskFault } from './disk-state.js';
import { standingHolds } from './holds.js';
import { asBuffer, type Call, type FromWorker, type Outcome, plainFault, type ToWorker, type WorkerSettings } from './messages.js';
import { positionOf, Statistics } from './statistics.js';

const port = parentPort!;
const settings = await new Promise<WorkerSettings>((resolve) => port.once('message', resolve));

async function chooseDisk(): Promise<Disk> {
  if (!settings.diskModule) return systemDisk;
  const module = (await import(settings.diskModule)) as { disk?: Disk };
  assert(module.disk, `${settings.diskModule} exports disk`);
  return module.disk;
}

function post(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

const disk = await chooseDisk();
const boot = settings.boot ?? disk.readFile('/proc/sys/kernel/random/boot_id').toString('latin1').trim();
const core = openCore({ ...settings, boot, disk, clock: systemClock });
const statistics = new Statistics(core.state);
const queued = new Int32Array(settings.queued);
/** Numbers of the memory that the agent may use again; told with the next tick. */
let returned: number[] = [];
/** While a commit runs. */
let settledByCommit: Outcome[] | undefined;
const inits = new Map<string, InitSegment>();

function write(message: Extract<ToWorker, { kind: 'fragment' }>): void {
  const { meta, wall, parts } = message;
  const stream = streamText(meta);
  if (message.init) inits.set(stream, { bytes: message.init, sha256: meta.initSha256, codec: meta.codec });
  const init = inits.get(stream);
  assert(init, 'the init segment comes with the first fragment');
  core.write({ meta, init, parts }, wall);
  returned.push(...message.lent);
  Atomics.sub(
    queued,
    0,
    parts.reduce((sum, part) => sum + part.length, 0),
  );
}

/** What a commit settles goes back together with what it made durable. */
function tick(monoMs: number): void {
  settledByCommit = [];
  const { durable, journal } = core.commit({ settledMonoMs: monoMs });
  const settled = settledByCommit;
  settledByCommit = undefined;
  post({ kind: 'ticked', durable, journal, position: positionOf(core.state), stats: statistics.read(), returned, settled });
  returned = [];
}

/** The memory goes with the bytes: where it holds more than these they are copied. What is shared stays where it is. */
function give(id: number, bytes: Buffer): void {
  if (bytes.buffer instanceof SharedArrayBuffer) {
    post({ kind: 'result', id, value: bytes });
    return;
  }
  const own = bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
  post({ kind: 'result', id, value: own }, [own.buffer as ArrayBuffer]);
}

function answer(id: number, call: Call): void {
  const settled = (value: unknown): void => {
    const outcome: Outcome = value instanceof Fault ? { kind: 'failed', id, fault: plainFault(value) } : { kind: 'result', id, value };
    if (settledByCommit) settledByCommit.push(outcome);
    else post(outcome);
  };
  switch (call.what) {
    case 'record':
      core.record(call.type, call.body, call.urgent, settled);
      return;
    case 'journal':
      settled(core.journal(call.fromSeq, call.bytesMax));
      return;
    case 'select':
      settled(core.select(call.streams, call.fromUtcMs, call.toUtcMs));
      return;
    case 'named':
      settled(core.named(call.names));
      return;
    case 'read':
      give(id, core.read(call.fragment, call.into && asBuffer(call.into)));
      return;
    case 'init': {
      const bytes = core.init(call.initSha256);
      if (bytes) give(id, bytes);
      else settled(undefined);
      return;
    }
    case 'release':
      core.release(call.id, settled);
      return;
    case 'adoptStore':
      core.adoptStore(call.storeEpoch, call.journalNext, settled);
      return;
    case 'voided':
      settled(core.voided(call.afterReel));
      return;
    case 'unsent':
      settled(core.unsent(call.of, call.beforeReel));
      return;
    case 'hold':
      core.hold(call.request, settled);
      return;
    case 'releaseHold':
      core.releaseHold(call.holdId, settled);
      return;
    case 'holds':
      settled(standingHolds(core.state));
      return;
    case 'close': {
      const result = core.close();
      post({ kind: 'ticked', ...result, position: positionOf(core.state), stats: statistics.read(), returned: [], settled: [] });
      settled(core.state.diskState.fault ?? null);
      port.close();
    }
  }
}

function take(message: ToWorker): void {
  switch (message.kind) {
    case 'fragment':
      write(message);
      return;
    case 'cause':
      core.noteCause(message.stream, message.cause, message.atMonoMs, message.detail);
      return;
    case 'open':
      core.openStream(message.stream, message.atMonoMs);
      return;
    case 'close':
      core.closeStream(message.stream, message.cause, message.atMonoMs);
      return;
    case 'clock':
      core.noteClock(message.anchor);
      return;
    case 'acknowledged':
      core.acknowledged(message.next);
      return;
    case 'tick':
      tick(message.monoMs);
      return;
    case 'call':
      try {
        answer(message.id, message.call);
        return;
      } catch (error) {
        post({ kind: 'failed', id: message.id, fault: plainFault(toDiskFault(toFault(error, 'spool'), 'spool')) });
        return;
      }
  }
}

port.on('message', take);
post({ kind: 'ready', identity: core.identity, position: positionOf(core.state), stats: statistics.read() });
