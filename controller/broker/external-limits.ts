/** How much of an outer broker's messages may be outstanding, and how long it may take. */
export interface ExternalLimits {
  /** Outstanding of one unit; one that keeps its window stays far below. */
  unitBytesMax: number;
  /** Outstanding of all units at which nothing more is read; reading goes on at half of it. */
  pauseBytes: number;
  /** Messages of one unit that are thrown away before it is cut off. */
  floodMax: number;
  /** A broker that acknowledges nothing for so long has lost something: the connection begins anew. */
  acknowledgeMs: number;
}
export const EXTERNAL_LIMITS: ExternalLimits = {
  unitBytesMax: 4 * 1024 * 1024,
  pauseBytes: 64 * 1024 * 1024,
  floodMax: 500,
  acknowledgeMs: 20_000,
};
