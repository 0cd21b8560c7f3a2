/** The spool's thread: takes messages in order, hands them to the core, commits at each tick. The only thread that touches the disk. */
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '@longroof/base/clock';
import { type Disk, systemDisk } from '@longroof/base/disk';
import { assert, Fault, toFault } from '@longroof/base/errors';
import { streamText } from '@longroof/protocol/fragment';
import type { InitSegment } from '../fragment/fragment.js';
import { SpoolCore } from './core.js';
import { toDiskFault } from './disk-state.js';
import { type Call, type FromWorker, plainFault, type ToWorker, type WorkerSettings } from './messages.js';
import { positionOf, Statistics } from './statistics.js';

const settings = workerData as WorkerSettings;
const port = parentPort!;

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
const core = new SpoolCore({ ...settings, boot, disk, clock: systemClock });
const statistics = new Statistics(core.state);
const queued = new Int32Array(settings.queued);
const inits = new Map<string, InitSegment>();

function write(message: Extract<ToWorker, { kind: 'fragment' }>): void {
  const { meta, wall, parts } = message;
  const stream = streamText(meta);
  if (message.init) inits.set(stream, { bytes: message.init, sha256: meta.initSha256, codec: meta.codec });
  const init = inits.get(stream);
  assert(init, 'the init segment comes with the first fragment');
  core.write({ meta, init, parts }, wall);
  Atomics.sub(
    queued,
    0,
    parts.reduce((sum, part) => sum + part.length, 0),
  );
}

function tick(monoMs: number): void {
  const { durable, journal } = core.commit({ settledMonoMs: monoMs });
  post({ kind: 'ticked', durable, journal, position: positionOf(core.state), stats: statistics.read() });
}

function answer(id: number, call: Call): void {
  const settled = (value: unknown): void => {
    if (value instanceof Fault) post({ kind: 'failed', id, fault: plainFault(value) });
    else post({ kind: 'result', id, value });
  };
  const own = (bytes: Buffer): void => {
    const copy = new Uint8Array(bytes);
    post({ kind: 'result', id, value: copy }, [copy.buffer]);
  };
  switch (call.what) {
    case 'record':
      return core.record(call.type, call.body, call.urgent, settled);
    case 'journal':
      return settled(core.journal(call.fromSeq, call.bytesMax));
    case 'select':
      return settled(core.select(call.streams, call.fromUtcMs, call.toUtcMs));
    case 'read': {
      const bytes = core.read(call.fragment);
      if (bytes.byteLength === bytes.buffer.byteLength) return post({ kind: 'result', id, value: bytes }, [bytes.buffer as ArrayBuffer]);
      return own(bytes);
    }
    case 'init': {
      const bytes = core.init(call.initSha256);
      return bytes ? own(bytes) : settled(undefined);
    }
    case 'release':
      return core.release(call.id, settled);
    case 'hold':
      return core.hold(call.request, settled);
    case 'releaseHold':
      return core.releaseHold(call.holdId, settled);
    case 'close': {
      const result = core.close();
      post({ kind: 'ticked', ...result, position: positionOf(core.state), stats: statistics.read() });
      const fault = core.state.diskState.fault;
      settled(fault ?? null);
      port.close();
    }
  }
}

function take(message: ToWorker): void {
  switch (message.kind) {
    case 'fragment':
      return write(message);
    case 'cause':
      return core.noteCause(message.stream, message.cause, message.atMonoMs, message.detail);
    case 'open':
      return core.openStream(message.stream, message.atMonoMs);
    case 'close':
      return core.closeStream(message.stream, message.cause, message.atMonoMs);
    case 'clock':
      return core.noteClock(message.anchor);
    case 'acknowledged':
      return core.acknowledged(message.next);
    case 'tick':
      return tick(message.monoMs);
    case 'call':
      try {
        return answer(message.id, message.call);
      } catch (error) {
        return post({ kind: 'failed', id: message.id, fault: plainFault(toDiskFault(toFault(error, 'spool'), 'spool')) });
      }
  }
}

port.on('message', take);
post({ kind: 'ready', identity: core.identity, position: positionOf(core.state), stats: statistics.read() });
