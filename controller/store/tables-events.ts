/** Table of events that protect footage. */
import type { MarkKind } from '@longroof/protocol/marks';

export interface EventTable {
  unit: string;
  epoch: string;
  /** Of its journal record. */
  seq: number;
  run: number;
  kind: MarkKind;
  at_mono_ms: number;
  at_utc_ms: number;
  wall_error_ms: number;
  /** Of the ignition: switched on. */
  turned_on: number;
  value: number | null;
  /** The hold that protects it, if any. */
  hold: string | null;
}
