/** What the uplink has done since the agent started, as plain numbers for the metrics page; only ever raised but for the gauges. */
export interface UplinkCounters {
  connects: number;
  connectFailures: number;
  bytesSent: number;
  /** Of footage alone, whatever is sent again counted again. */
  footageBytesSent: number;
  chunksSent: number;
  fragmentsStored: number;
  rewinds: number;
  stalls: number;
  refusals: number;
  receiptsRefused: number;
  /** Of our checkpoints, that the centre signed and we keep. */
  checkpointsCountersigned: number;
  desiredRefused: number;
  /** Messages from the controller that were none of the protocol's. */
  badMessages: number;
  journalSent: number;
  journalBatches: number;
  journalResent: number;
  /** Shown live; also in `bytesSent`. */
  liveBytesSent: number;
  livePieces: number;
  /** Fragments that a slow link left no room for. */
  liveLeftOut: number;
  /** Gauges. */
  connected: 0 | 1;
  queued: number;
  windowBytes: number;
  liveCameras: number;
}

export function newCounters(): UplinkCounters {
  return {
    connects: 0,
    connectFailures: 0,
    bytesSent: 0,
    footageBytesSent: 0,
    chunksSent: 0,
    fragmentsStored: 0,
    rewinds: 0,
    stalls: 0,
    refusals: 0,
    receiptsRefused: 0,
    checkpointsCountersigned: 0,
    desiredRefused: 0,
    badMessages: 0,
    journalSent: 0,
    journalBatches: 0,
    journalResent: 0,
    liveBytesSent: 0,
    livePieces: 0,
    liveLeftOut: 0,
    connected: 0,
    queued: 0,
    windowBytes: 0,
    liveCameras: 0,
  };
}
