/** One attempt at a camera: what both engines do again and again. */
import type { Fault } from '@longroof/base/errors';

export interface SessionHooks {
  /** Packets arrive. */
  playing(): void;
  /** The first access unit of the session goes to the sink. */
  footage(): void;
  /** Something keeps footage away while the session goes on. */
  trouble(fault: Fault): void;
}

export interface Runner {
  readonly engine: 'own' | 'ffmpeg';
  /** One session from connecting to its end; gives the reason. Never rejects. Ends soon after the signal aborts. */
  run(signal: AbortSignal, hooks: SessionHooks): Promise<Fault>;
}
