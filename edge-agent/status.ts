/** All that the agent knows of itself, in one piece: for `/status` and `longroof-agent status`. Times are RFC 3339, UTC, by the unit's belief. */
import { type Clock, rfc3339 } from '@longroof/base/clock';
import type { BoardState } from '@longroof/protocol/board';
import type { HealthReport } from './health/endpoint.js';
import type { PositionState } from './positions.js';
import type { Spool } from './spool/spool.js';
import type { UnitTime } from './time.js';
import type { Uplink } from './uplink/uplink.js';
import { VERSION } from './version.js';
import type { Vitals } from './vitals.js';

export interface AgentStatus {
  unit: string;
  version: string;
  run: number;
  ok: boolean;
  problems: string[];
  /** Null without a board service; `heard` false while it does not answer. */
  power:
    | { heard: true; mode: string; reason: string; sentence: string; supplyV: number | null; left: BoardState['left'] }
    | { heard: false }
    | null;
  streams: HealthReport['streams'];
  spool: { state: string; usedBytes: number; quotaBytes: number; pendingFragments: number; daysLeft: number | null };
  /** Null where the unit records only. */
  link: {
    connected: boolean;
    resting: boolean;
    problem?: { code: string; message: string };
    lastContact: string | null;
    bytesSent: number;
  } | null;
  clock: { utc: string; source: string; errorMs: number; keeper: string | null };
  /** Null where none is configured. */
  gnss: {
    available: boolean;
    antenna: string;
    jamming: string;
    jumps: number;
    fix: {
      latDeg: number;
      lonDeg: number;
      errorM: number | null;
      /** How old it is by now. */
      ageMs: number;
      heading: { headingDeg: number; errorDeg: number } | null;
    } | null;
  } | null;
  /** Events marked since the start. */
  events: number;
}

export interface StatusParts {
  unit: string;
  report: HealthReport;
  clock: Clock;
  spool: Spool;
  time: UnitTime;
  vitals: Vitals;
  hasBoard: boolean;
  power: BoardState | undefined;
  uplink: Uplink | undefined;
  positions: Readonly<PositionState> | undefined;
  marks: number;
}

export function statusOf(parts: StatusParts): AgentStatus {
  const { unit, report, spool, vitals, marks } = parts;
  const { state, usedBytes, quotaBytes, pendingFragments } = spool.stats();
  return {
    ...{ unit, version: VERSION, run: spool.identity.run, ok: report.ok, problems: report.problems },
    power: powerOf(parts),
    streams: report.streams,
    spool: { state, usedBytes, quotaBytes, pendingFragments, daysLeft: vitals.daysLeft ?? null },
    link: linkOf(parts),
    clock: clockOf(parts),
    gnss: gnssOf(parts),
    events: marks,
  };
}

function powerOf({ hasBoard, power }: StatusParts): AgentStatus['power'] {
  if (!hasBoard) return null;
  if (!power) return { heard: false };
  const { mode, reason, sentence, supplyV, left } = power;
  return { heard: true, mode, reason, sentence, supplyV, left };
}

function linkOf({ uplink, time, clock }: StatusParts): AgentStatus['link'] {
  if (!uplink) return null;
  const { connected, resting, fault, contactMonoMs, counters } = uplink;
  const contact = contactMonoMs === undefined ? null : rfc3339(time.wall.now().utcMs - (clock.mono() - contactMonoMs));
  const problem = connected || !fault ? {} : { problem: { code: fault.code, message: fault.message } };
  return { connected, resting, ...problem, lastContact: contact, bytesSent: counters.bytesSent };
}

function clockOf({ time }: StatusParts): AgentStatus['clock'] {
  const { utcMs, source, errorMs } = time.wall.now();
  return { utc: rfc3339(utcMs), source, errorMs, keeper: time.keeper()?.name ?? null };
}

function gnssOf({ positions, clock }: StatusParts): AgentStatus['gnss'] {
  if (!positions) return null;
  const { available, receiver, jumps, last } = positions;
  const fix = last && {
    ...{ latDeg: last.latDeg, lonDeg: last.lonDeg, errorM: last.errorM, heading: last.heading ?? null },
    ageMs: Math.round(clock.mono() - last.monoMs + last.ageMs),
  };
  return { available, antenna: receiver.antenna, jamming: receiver.jamming, jumps, fix: fix ?? null };
}
