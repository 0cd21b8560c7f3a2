/** A small fleet for looking at the page without a controller: wagons in every state, footage with gaps of many causes. */
import type { CoverageShape, UnitShape, Where } from '../../api/shapes.js';

const MINUTE = 60_000;
const iso = (ms: number): string => new Date(ms).toISOString();

export function units(nowMs: number): UnitShape[] {
  const both: ('original' | 'proxy')[] = ['original', 'proxy'];
  const power = {
    ...{ mode: 'parked-watch' as const, reason: 'ignition-off', sentence: 'Parked watch.', at: iso(nowMs - MINUTE), supplyV: 12.3 },
    ...{ left: { cameraHours: 9.2, errorCameraHours: 1.1 }, nextContact: null, shed: null },
  };
  const base = {
    ...{ power, version: '0.1.0', epoch: '00112233445566778899aabbccddeeff', journal: { next: 48_211, whole: true }, refusals: [] },
    ...{ alarms: [], configuration: null },
  };
  return [
    {
      ...base,
      id: 'wagon-1',
      online: true,
      state: 'recording',
      lastSeen: iso(nowMs - 1_000),
      cameras: ['front', 'left', 'rear', 'right'].map((id) => ({ id, state: 'recording' as const, renditions: both })),
      position: { latDeg: 35.68917, lonDeg: 51.38897, at: iso(nowMs - 1_200) },
    },
    {
      ...base,
      id: 'wagon-2',
      online: true,
      state: 'degraded',
      lastSeen: iso(nowMs - 2_000),
      link: {
        ...{ interface: 'wwan0', class: 'metered', waits: 'LR_LINK_BUDGET', urgentGoes: true },
        budget: { from: iso(nowMs - 20 * 86_400_000), until: iso(nowMs + 10 * 86_400_000), bytes: 5e9, spentBytes: 4.96e9 },
      },
      cameras: [
        { id: 'front', state: 'recording', renditions: both },
        { id: 'left', state: 'refused', code: 'LR_RTSP_AUTH', renditions: both },
        { id: 'rear', state: 'recording', renditions: both },
        { id: 'right', state: 'connecting', code: 'LR_RTSP_CONNECT', renditions: ['original'] },
      ],
      position: { latDeg: 35.70069, lonDeg: 51.33758, at: iso(nowMs - 4_000) },
      refusals: [{ code: 'LR_CHUNK', count: 3, last: iso(nowMs - 40 * MINUTE), message: 'chunk: payload length' }],
    },
    {
      ...base,
      id: 'wagon-3',
      online: false,
      state: 'offline',
      lastSeen: iso(nowMs - 83 * MINUTE),
      cameras: ['front', 'rear'].map((id) => ({ id, state: 'unknown' as const, renditions: both })),
      position: { latDeg: 35.74472, lonDeg: 51.37511, at: iso(nowMs - 84 * MINUTE) },
    },
    {
      ...base,
      id: 'wagon-4',
      online: true,
      state: 'not-recording',
      lastSeen: iso(nowMs - 500),
      cameras: [{ id: 'front', state: 'disk', code: 'LR_DISK_READ_ONLY', renditions: ['original'] }],
      position: null,
      journal: { next: 120, whole: false },
    },
  ];
}

interface FixedGap {
  camera?: string;
  /** Minutes before the mock's start. */
  at: number;
  minutes: number;
  cause: string;
  detail?: string;
}

const GAPS: FixedGap[] = [
  { at: 9, minutes: 0.4, cause: 'power-cut' },
  { camera: 'front', at: 22, minutes: 3, cause: 'camera-stalled' },
  { camera: 'left', at: 51, minutes: 12, cause: 'camera-unreachable', detail: 'connection refused' },
  { camera: 'rear', at: 5, minutes: 0.03, cause: 'agent-restart' },
  { at: 300, minutes: 45, cause: 'stopped' },
  { camera: 'right', at: 200, minutes: 30, cause: 'disk-slow' },
  { at: 1200, minutes: 200, cause: 'disposed' },
];

export function gapsOf(camera: string, fromMs: number, toMs: number, startedMs: number): { from: string; to: string; cause: string }[] {
  return GAPS.filter((gap) => gap.camera === undefined || gap.camera === camera)
    .map((gap) => ({ fromMs: startedMs - gap.at * MINUTE, toMs: startedMs - (gap.at - gap.minutes) * MINUTE, gap }))
    .filter((gap) => gap.toMs > fromMs && gap.fromMs < toMs)
    .map(({ fromMs: a, toMs: b, gap }) => ({
      from: iso(Math.max(a, fromMs)),
      to: iso(Math.min(b, toMs)),
      cause: gap.cause,
      ...(gap.detail === undefined ? {} : { detail: gap.detail }),
    }))
    .sort((a, b) => a.from.localeCompare(b.from));
}

function eventsIn(fromMs: number, toMs: number, startedMs: number): CoverageShape['events'] {
  const all = [
    { kind: 'panic' as const, at: iso(startedMs - 12 * MINUTE), errorMs: 200, on: true, hold: { id: 'event-1', state: 'placed' as const } },
    { kind: 'ignition' as const, at: iso(startedMs - 30 * MINUTE), errorMs: 200, on: false },
  ];
  return all.filter(({ at }) => Date.parse(at) >= fromMs && Date.parse(at) < toMs);
}

/** Footage is what lies between the gaps, in reels of a minute. */
export function coverage(unit: UnitShape, fromMs: number, toMs: number, nowMs: number, startedMs: number): CoverageShape {
  const knownMs = unit.online ? nowMs - 4_000 : Date.parse(unit.lastSeen);
  const cameras = unit.cameras.flatMap((camera) =>
    camera.renditions.map((rendition) => {
      const gaps = gapsOf(camera.id, fromMs, Math.min(toMs, knownMs), startedMs);
      const footage: CoverageShape['cameras'][number]['footage'] = [];
      let atMs = fromMs;
      for (const stop of [...gaps.map((gap) => Date.parse(gap.from)), Math.min(toMs, knownMs)]) {
        for (; atMs < stop - 1; ) {
          const endMs = Math.min(stop, Math.floor(atMs / MINUTE) * MINUTE + MINUTE);
          const ageMinutes = (startedMs - atMs) / MINUTE;
          const where: Where =
            ageMinutes > 33 && ageMinutes < 40 ? 'wagon-and-centre' : ageMinutes > 240 && ageMinutes < 260 ? 'centre' : 'wagon';
          const bytes = ((endMs - atMs) / 1000) * (rendition === 'original' ? 500_000 : 40_000);
          footage.push({ from: iso(atMs), to: iso(endMs), where, bytes: Math.round(bytes), clock: { source: 'gnss', errorMs: 180 } });
          atMs = endMs;
        }
        const gap = gaps.find((one) => Date.parse(one.from) === stop);
        if (gap) atMs = Date.parse(gap.to);
      }
      if (toMs > knownMs) gaps.push({ from: iso(Math.max(fromMs, knownMs)), to: iso(toMs), cause: 'not-yet-reported' });
      return { camera: camera.id, rendition, footage, gaps };
    }),
  );
  return { unit: unit.id, from: iso(fromMs), to: iso(toMs), cameras, events: eventsIn(fromMs, toMs, startedMs) };
}
