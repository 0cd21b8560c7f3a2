/** A video element's life as state: segments, playing, position, failure. The position follows the frames that are really shown. */
import { type Fault, toFault } from '@longroof/base/errors';
import { type RefObject, useEffect, useState } from 'react';
import type { TimedSegment } from '../logic/wall-map.js';
import { type Attached, attachSource } from './source.js';

export interface Playback {
  segments: TimedSegment[];
  growing: boolean;
  playing: boolean;
  ended: boolean;
  /** Of the frame in the picture, in the player's time; undefined before the first. */
  mediaS: number | undefined;
  fault: Fault | undefined;
}

const NOTHING: Playback = { segments: [], growing: false, playing: false, ended: false, mediaS: undefined, fault: undefined };

export function usePlayback(ref: RefObject<HTMLVideoElement | null>, url: string, token: string | undefined): Playback {
  const [state, setState] = useState<Playback>(NOTHING);
  useEffect(() => {
    const video = ref.current;
    if (!video) return;
    setState(NOTHING);
    const change = (part: Partial<Playback>): void => setState((now) => ({ ...now, ...part }));
    const stopFollowing = followFrames(video, (mediaS) => change({ mediaS }));
    const stopState = followState(video, change);
    let attached: Attached | undefined;
    let over = false;
    attachSource(video, url, token, {
      segments: (segments, growing) => change({ segments, growing }),
      failed: (fault) => change({ fault }),
    })
      .then((source) => {
        if (over) source.detach();
        else {
          attached = source;
          // A browser that wants another click first leaves the player paused, with its play button.
          video.play().catch(() => change({ playing: false }));
        }
      })
      .catch((error: unknown) => change({ fault: toFault(error, 'player') }));
    return () => {
      over = true;
      stopFollowing();
      stopState();
      attached?.detach();
    };
  }, [ref, url, token]);
  return state;
}

/** Calls with the media time of each frame that is shown, at most ten times a second while playing; exact after a seek or a pause. */
function followFrames(video: HTMLVideoElement, show: (mediaS: number) => void): () => void {
  let handle = 0;
  let shownMs = 0;
  const frame = (nowMs: number, data: { mediaTime: number }): void => {
    if (video.paused || nowMs - shownMs >= 100) {
      shownMs = nowMs;
      show(data.mediaTime);
    }
    handle = video.requestVideoFrameCallback(frame);
  };
  if ('requestVideoFrameCallback' in video) {
    handle = video.requestVideoFrameCallback(frame);
    return () => video.cancelVideoFrameCallback(handle);
  }
  const plain = video as HTMLVideoElement;
  const tell = (): void => show(plain.currentTime);
  plain.addEventListener('timeupdate', tell);
  return () => plain.removeEventListener('timeupdate', tell);
}

function followState(video: HTMLVideoElement, change: (part: Partial<Playback>) => void): () => void {
  const events: [string, () => void][] = [
    ['play', () => change({ playing: true, ended: false })],
    ['pause', () => change({ playing: false })],
    ['ended', () => change({ playing: false, ended: true })],
    ['seeking', () => change({ ended: false })],
  ];
  for (const [name, act] of events) video.addEventListener(name, act);
  return () => {
    for (const [name, act] of events) video.removeEventListener(name, act);
  };
}
