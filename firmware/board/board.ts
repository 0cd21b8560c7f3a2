/**
 * A board as the service sees it: levels of its inputs, relays and lamp, sensors, the switch. Two stand behind it, one on the kernel's
 * files and one simulated, and one contract suite runs on both.
 */
import type { BoardEvent } from '@longroof/protocol/board';

/** `camera-cut` is wired so that cameras have power while the line is off: a dead board leaves them on. */
export const BOARD_OUTPUTS = ['camera-cut', 'lamp'] as const;
export type BoardOutput = (typeof BOARD_OUTPUTS)[number];

export interface Readings {
  /** Undefined where the board has no such sensor, or it does not answer. */
  supplyV: number | undefined;
  drawW: number | undefined;
  temperatureC: number | undefined;
  /** The processor is held back by heat or a weak supply. */
  throttled: boolean;
}

export interface Board {
  readonly name: string;
  /** Levels as they are now, not debounced; inputs that are not wired are absent. */
  levels(): Partial<Record<BoardEvent, boolean>>;
  /** Called at each edge, bouncing ones too. One listener. */
  onEdge(listener: (event: BoardEvent, level: boolean) => void): void;
  set(output: BoardOutput, on: boolean): void;
  readings(): Readings;
  /** Along the wagon, in metres a second squared, positive while it gains speed; left out where there is no such sensor. */
  forwardMps2?(): number | undefined;
  close(): void;
}
