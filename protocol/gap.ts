/** Why there is no footage. A closed set, in the words of docs/gaps.md; a gap always has one. */
export const GAP_CAUSES = [
  'starting', // the agent runs, the first fragment is not yet there
  'camera-unreachable', // no connection, or it broke
  'camera-refused', // it wants other credentials
  'camera-not-rtsp', // something answers that is no RTSP server
  'camera-stalled', // connected, sent nothing for 5 s
  'camera-no-video', // no track that can be recorded
  'camera-no-key-frame', // frames arrive, none to start from
  'damaged', // what arrived could not be kept
  'disk-full',
  'disk-slow', // the queue to the disk ran over
  'disk-failed', // read-only or failing
  'agent-restart', // the program ended without a chance to flush; same boot
  'power-cut', // the board's boot id changed
  'stopped', // an orderly stop
  'configuration', // the camera was not configured
  'power-saving', // shed, in standby or switched off, to spare the wagon's battery
  'disposed', // expired, by policy
  'lost', // had to go before its promised retention
  'unknown-camera', // this unit never had a camera of that name
] as const;

export type GapCause = (typeof GAP_CAUSES)[number];

export function isGapCause(value: unknown): value is GapCause {
  return (GAP_CAUSES as readonly unknown[]).includes(value);
}
