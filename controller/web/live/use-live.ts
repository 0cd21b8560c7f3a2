/** One live look: asks for piece after piece while it is on the page, and ends it when it is not. What goes wrong is told, not hidden. */
import { type Fault, toFault } from '@longroof/base/errors';
import { type RefObject, useEffect, useState } from 'react';
import type { LiveShape } from '../../api/shapes.js';
import { ApiFault, requestBytes } from '../api/client.js';
import { readPieces } from '../logic/live-pieces.js';
import { LiveScreen } from './screen.js';

export interface LiveState {
  /** Wall time of the picture that is shown; undefined before the first. */
  wallMs: number | undefined;
  /** The low-rate stream or the original. */
  rendition: string | undefined;
  /** Why there is no new picture now; with `over` there will be none. */
  fault: Fault | undefined;
  over: boolean;
  /** Nothing new for some seconds. */
  still: boolean;
}

const NOTHING: LiveState = { wallMs: undefined, rendition: undefined, fault: undefined, over: false, still: false };
const AGAIN_MS = 1_500;
const STILL_MS = 4_000;
/** A page that nobody has in sight does not watch. */
const HIDDEN_MS = 20_000;
/** These pass by themselves. */
const PASSING: ReadonlySet<string> = new Set([
  'LR_LIVE_OFFLINE',
  'LR_LIVE_NOT_RECORDING',
  'LR_LIVE_BUDGET',
  'LR_LIVE_CAMERA',
  'LR_CENTRE_UNREACHABLE',
  'LR_RATE',
]);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function endLook(id: string): void {
  // Also while the page goes away.
  void fetch(`/api/live/${id}`, { method: 'DELETE', credentials: 'same-origin', keepalive: true }).catch(() => undefined);
}

export function useLive(ref: RefObject<HTMLVideoElement | null>, look: LiveShape): LiveState {
  const [state, setState] = useState<LiveState>(NOTHING);
  useEffect(() => {
    const video = ref.current;
    if (!video) return;
    const change = (part: Partial<LiveState>): void => setState((now) => ({ ...now, ...part }));
    const stop = new AbortController();
    const over = (fault: Fault): void => {
      stop.abort();
      change({ fault, over: true });
    };
    const screen = new LiveScreen(video, over);
    const stopFrames = followFrames(video, (mediaS) => change({ wallMs: screen.wallAt(mediaS) }));
    const stopHidden = endsHidden(() => {
      endLook(look.id);
      over(new ApiFault('conflict', { code: 'LR_LIVE_HIDDEN', title: 'out of sight', status: 0 }));
    });
    const leave = (): void => endLook(look.id);
    window.addEventListener('pagehide', leave);
    void feed(look.id, screen, stop.signal, change).catch((error: unknown) => over(toFault(error, 'live')));
    return () => {
      const running = !stop.signal.aborted;
      stop.abort();
      stopFrames();
      stopHidden();
      window.removeEventListener('pagehide', leave);
      screen.close();
      if (running) leave();
    };
  }, [ref, look.id]);
  return state;
}

/** Until the signal aborts; throws what will not pass. */
async function feed(id: string, screen: LiveScreen, signal: AbortSignal, change: (part: Partial<LiveState>) => void): Promise<void> {
  let after = 0;
  let newsMs = performance.now();
  while (!signal.aborted) {
    try {
      const bytes = await requestBytes(`/api/live/${id}/pieces?after=${after}`, signal);
      if (signal.aborted) return;
      const pieces = bytes ? readPieces(bytes) : [];
      const last = pieces.at(-1);
      if (last) {
        newsMs = performance.now();
        after = last.head.number;
        screen.push(pieces);
        change({ fault: undefined, still: false, rendition: last.head.rendition });
      } else change({ fault: undefined, still: performance.now() - newsMs >= STILL_MS });
    } catch (error) {
      if (signal.aborted) return;
      const fault = toFault(error, 'live');
      if (!PASSING.has(fault.code)) throw fault;
      change({ fault });
      await pause(AGAIN_MS);
    }
  }
}

function followFrames(video: HTMLVideoElement, show: (mediaS: number) => void): () => void {
  if (!('requestVideoFrameCallback' in video)) {
    const plain = video as HTMLVideoElement;
    const tell = (): void => show(plain.currentTime);
    plain.addEventListener('timeupdate', tell);
    return () => plain.removeEventListener('timeupdate', tell);
  }
  let shownMs = Number.NEGATIVE_INFINITY;
  const frame = (nowMs: number, { mediaTime }: { mediaTime: number }): void => {
    if (nowMs - shownMs >= 100) {
      shownMs = nowMs;
      show(mediaTime);
    }
    handle = video.requestVideoFrameCallback(frame);
  };
  let handle = video.requestVideoFrameCallback(frame);
  return () => video.cancelVideoFrameCallback(handle);
}

function endsHidden(end: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = (): void => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(end, HIDDEN_MS);
  };
  document.addEventListener('visibilitychange', look);
  look();
  return () => {
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', look);
  };
}
