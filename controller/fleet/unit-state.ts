/**
 * How a unit is, in one word: from what it last said of its streams and of its power, and from whether it kept its word of when it can be
 * reached next. Pure.
 */
import { streamText } from '@longroof/protocol/fragment';
import type { StatusMessage } from '@longroof/protocol/messages';
import type { CameraState, UnitShape } from './shapes.js';
import type { CameraStream } from './streams.js';

/** A modem that has slept needs a while: only then is a contact held to be missed. */
export const CONTACT_LATE_MS = 5 * 60_000;

/** How long cameras may take to come back when the wagon wakes. */
const WAKING_MS = 15_000;

export interface Known {
  online: boolean;
  streams: readonly CameraStream[];
  status: StatusMessage | undefined;
  power: UnitShape['power'];
  nowMs: number;
}

type StreamStatus = StatusMessage['streams'][string];

function statusOf({ online, status }: Known, stream: CameraStream): StreamStatus | undefined {
  return online && status?.online ? status.streams[streamText(stream)] : undefined;
}

/** A unit is `recording` only while all of its streams are, but for sub-streams that a parked wagon gives up to spare its battery. */
export function stateOf(known: Known): UnitShape['state'] {
  const { online, streams, power, nowMs } = known;
  if (!online) return isAwaited(power, nowMs) ? 'standby' : power?.mode === 'shutdown' ? 'off' : 'offline';
  const states = streams.map((stream) => ({ stream, state: statusOf(known, stream)?.state }));
  const rests = states.every(({ state }) => state === 'stopped');
  if (rests && power?.mode === 'standby') return 'standby';
  if (rests && power?.mode === 'shutdown') return 'off';
  const wakes = isWaking(power, nowMs);
  const isExcused = ({ stream, state }: (typeof states)[number]): boolean =>
    (state === 'stopped' && (wakes || isSpared(stream, power))) || (state === 'connecting' && wakes);
  const asked = states.filter((one) => !isExcused(one));
  if (wakes && asked.length === 0) return 'standby';
  const recording = asked.filter(({ state }) => state === 'recording').length;
  if (recording === 0) return 'not-recording';
  return recording === asked.length ? 'recording' : 'degraded';
}

/** It has just said that it records again: its cameras come one by one. */
function isWaking(power: UnitShape['power'], nowMs: number): boolean {
  return (power?.mode === 'driving' || power?.mode === 'parked-watch') && nowMs <= Date.parse(power.at) + WAKING_MS;
}

/** It need not record now, as the wagon said. */
function isSpared(stream: CameraStream, power: UnitShape['power']): boolean {
  if (power?.mode === 'standby' || power?.mode === 'shutdown') return true;
  return power?.mode === 'parked-watch' && stream.rendition === 'proxy';
}

/** It rests as it said, and the time at which it said that it can be reached next is not over. */
function isAwaited(power: UnitShape['power'], nowMs: number): boolean {
  return power?.mode === 'standby' && power.nextContact !== null && nowMs <= Date.parse(power.nextContact) + CONTACT_LATE_MS;
}

/** A camera's state is that of its main stream; where only the sub-stream fails, the code says so. In a standby, and once it is off, all of them rest. */
export function cameraStatesOf(known: Known): UnitShape['cameras'] {
  const rests = !known.online && ['standby', 'off'].includes(stateOf(known));
  const cameras = new Map<string, UnitShape['cameras'][number]>();
  for (const stream of known.streams) {
    const first: CameraState = rests ? 'stopped' : 'unknown';
    const camera = cameras.get(stream.camera) ?? { id: stream.camera, state: first, renditions: [] };
    const told = statusOf(known, stream);
    if (stream.rendition === 'original' && told) camera.state = told.state;
    if (told?.code !== undefined && (stream.rendition === 'original' || camera.code === undefined)) camera.code = told.code;
    camera.renditions.push(stream.rendition);
    cameras.set(stream.camera, camera);
  }
  return [...cameras.values()];
}
