/** What the agent measures of itself: the `health` record of the journal, the gauges and the answer of /healthz. */
import type { Clock } from '@longroof/base/clock';
import { streamText } from '@longroof/protocol/fragment';
import type { StripCounters } from './derive/strip-maker.js';
import type { Gauge, HealthReport } from './health/endpoint.js';
import type { Links } from './links.js';
import type { Recorder } from './recorder.js';
import type { Spool } from './spool/spool.js';

export interface UplinkCounters {
  connected: boolean;
  bytesSent: number;
  fragmentsStored: number;
  refusals: number;
  liveCameras: number;
  liveBytesSent: number;
  checkpointsCountersigned: number;
}

/** A disk that lasts no longer is to be replaced soon. */
const ENDURANCE_YEARS_MIN = 1;
const WORN = 'LR_SPOOL_ENDURANCE';

const DAY_MS = 86_400_000;
export const SAMPLE_MS = 60_000;
const SAMPLES_MAX = 60;

export class Vitals {
  readonly #clock: Clock;
  readonly #spool: Spool;
  readonly #recorder: Recorder;
  readonly #startedMonoMs: number;
  readonly #written: { monoMs: number; writtenBytes: number }[] = [];
  #uplink: (() => UplinkCounters) | undefined;
  #links: Links | undefined;
  #strips: (() => Readonly<StripCounters>) | undefined;

  constructor(clock: Clock, spool: Spool, recorder: Recorder) {
    this.#clock = clock;
    this.#spool = spool;
    this.#recorder = recorder;
    this.#startedMonoMs = clock.mono();
    void this.daysLeft;
  }

  /** Days until the quota is full at the rate of the last hour; undefined in the first minute. */
  get daysLeft(): number | undefined {
    const { usedBytes, quotaBytes, writtenBytes } = this.#spool.stats();
    const now = { monoMs: this.#clock.mono(), writtenBytes };
    const last = this.#written.at(-1);
    if (!last || now.monoMs - last.monoMs >= SAMPLE_MS) this.#written.push(now);
    while (this.#written.length > SAMPLES_MAX) this.#written.shift();
    const first = this.#written[0];
    if (!first || now.monoMs - first.monoMs < SAMPLE_MS) return undefined;
    const bytesPerDay = ((writtenBytes - first.writtenBytes) / (now.monoMs - first.monoMs)) * DAY_MS;
    return bytesPerDay > 0 ? Math.max(0, quotaBytes - usedBytes) / bytesPerDay : undefined;
  }

  watchUplink(counters: () => UplinkCounters, links: Links): void {
    this.#uplink = counters;
    this.#links = links;
  }

  watchStrips(counters: () => Readonly<StripCounters>): void {
    this.#strips = counters;
  }

  report(): HealthReport {
    const streams = this.#recorder.status();
    const stats = this.#spool.stats();
    const problems: string[] = [];
    for (const [stream, { state, code }] of Object.entries(streams)) {
      if (state !== 'recording' && state !== 'stopped') problems.push(`${stream} is not recording: ${state}${code ? ` (${code})` : ''}`);
    }
    if (stats.state !== 'ok') problems.push(`the disk is ${stats.state}`);
    const years = stats.enduranceLeftYears;
    if (years !== undefined && years < ENDURANCE_YEARS_MIN)
      problems.push(`the disk's rated endurance is used up in ${years} years at this rate (${WORN})`);
    return { ok: problems.length === 0, problems, streams };
  }

  /** The body of a `health` record. */
  record() {
    const stats = this.#spool.stats();
    const streams = Object.fromEntries(
      this.#recorder.recordings().map((recording) => [streamText(recording.stream), { ...recording.counters, ...recording.status() }]),
    );
    const { rss } = process.memoryUsage();
    const strips = this.#strips?.();
    const link = this.#links?.traffic.report();
    const uptimeS = Math.round((this.#clock.mono() - this.#startedMonoMs) / 1000);
    return { uptimeS, rssBytes: rss, disk: { ...stats }, streams, ...(strips ? { strips: { ...strips } } : {}), ...(link ? { link } : {}) };
  }

  gauges(): Gauge[] {
    const stats = this.#spool.stats();
    const cpu = process.cpuUsage();
    const one = (name: string, help: string, value: number, kind: Gauge['kind'] = 'gauge'): Gauge => ({
      name,
      help,
      kind,
      samples: [{ value }],
    });
    const perStream = (name: string, help: string, kind: Gauge['kind'], read: (index: number) => number): Gauge => ({
      name,
      help,
      kind,
      samples: this.#recorder
        .recordings()
        .map((recording, index) => ({ labels: { stream: streamText(recording.stream) }, value: read(index) })),
    });
    const recordings = this.#recorder.recordings();
    const gauges = [
      perStream('longroof_stream_recording', '1 while new fragments are durable', 'gauge', (i) =>
        recordings[i]?.status().state === 'recording' ? 1 : 0,
      ),
      perStream('longroof_stream_frames_total', 'Access units recorded', 'counter', (i) => recordings[i]?.counters.frames ?? 0),
      perStream(
        'longroof_stream_lost_packets_total',
        'RTP packets that never came',
        'counter',
        (i) => recordings[i]?.counters.lostPackets ?? 0,
      ),
      perStream('longroof_stream_sessions_total', 'RTSP sessions begun', 'counter', (i) => recordings[i]?.counters.sessions ?? 0),
      one('longroof_spool_ok', '1 while the disk takes footage', stats.state === 'ok' ? 1 : 0),
      one('longroof_spool_used_bytes', 'Footage on the disk', stats.usedBytes),
      one('longroof_spool_quota_bytes', 'Footage that the disk may hold', stats.quotaBytes),
      one('longroof_spool_free_bytes', 'Free on the file system', stats.freeBytes),
      one('longroof_spool_queued_bytes', 'Waiting for the disk', stats.queuedBytes),
      one('longroof_spool_pending_fragments', 'Fragments without a receipt', stats.pendingFragments),
      one('longroof_spool_flushes_per_second', 'Flushes of the disk', stats.flushesPerS),
      one('longroof_spool_write_amplification', 'Block writes over footage bytes', stats.writeAmplification),
      one('longroof_spool_written_bytes_total', 'Block writes over the life of the spool', stats.writtenBytes, 'counter'),
      one('longroof_journal_next', 'Number of the next record', stats.journalNext),
      one('longroof_process_cpu_seconds_total', 'User and system time', (cpu.user + cpu.system) / 1e6, 'counter'),
      one('longroof_process_resident_bytes', 'Resident memory', process.memoryUsage().rss),
    ];
    if (stats.enduranceLeftYears !== undefined)
      gauges.push(
        one('longroof_spool_endurance_left_years', 'Until the rated endurance is used up at this rate', stats.enduranceLeftYears),
      );
    gauges.push(...uplinkGauges(this.#uplink?.()));
    gauges.push(...linkGauges(this.#links));
    gauges.push(...stripGauges(this.#strips?.()));
    return gauges;
  }
}

function uplinkGauges(uplink: UplinkCounters | undefined): Gauge[] {
  if (!uplink) return [];
  const one = (name: string, help: string, value: number, kind: Gauge['kind'] = 'counter'): Gauge => ({
    name,
    help,
    kind,
    samples: [{ value }],
  });
  return [
    one('longroof_uplink_connected', '1 while the centre is reached', uplink.connected ? 1 : 0, 'gauge'),
    one('longroof_uplink_bytes_total', 'Footage bytes sent', uplink.bytesSent),
    one('longroof_live_cameras', 'Cameras that somebody watches', uplink.liveCameras, 'gauge'),
    one('longroof_live_bytes_total', 'Bytes sent to be watched live', uplink.liveBytesSent),
    one('longroof_uplink_stored_total', 'Fragments with a verified receipt', uplink.fragmentsStored),
    one('longroof_uplink_countersigned_total', 'Checkpoints under the signature of the centre, kept here', uplink.checkpointsCountersigned),
    one('longroof_uplink_refusals_total', 'Refusals heard from the centre', uplink.refusals),
  ];
}

function linkGauges(links: Links | undefined): Gauge[] {
  if (!links?.traffic.tells) return [];
  const { traffic, budget } = links;
  const of = (linkClass: string, value: number) => ({ labels: { class: linkClass }, value });
  const one = (name: string, help: string, value: number): Gauge => ({ name, help, kind: 'gauge', samples: [{ value }] });
  const gauges: Gauge[] = [
    {
      name: 'longroof_link_bytes_total',
      help: 'Bytes of the connection both ways, TLS and all, by class of link',
      kind: 'counter',
      samples: [of('metered', traffic.meteredBytes), of('free', traffic.freeBytes)],
    },
    one('longroof_link_waits', '1 while footage that was asked for waits for another link or month', traffic.waits ? 1 : 0),
  ];
  if (budget) {
    gauges.push(one('longroof_link_budget_bytes', 'What metered links may take in a month', budget.bytes));
    gauges.push(one('longroof_link_spent_bytes', 'What they have taken in this month', budget.usedBytes));
  }
  return gauges;
}

function stripGauges(strips: Readonly<StripCounters> | undefined): Gauge[] {
  if (!strips) return [];
  const one = (name: string, help: string, value: number): Gauge => ({ name, help, kind: 'counter', samples: [{ value }] });
  return [
    one('longroof_strips_made_total', 'Minutes shown in strips', strips.made),
    one('longroof_strips_skipped_total', 'Minutes without a strip: there was no time', strips.skipped),
    one('longroof_strips_failed_total', 'Minutes without a strip: not decoded', strips.failed),
  ];
}
