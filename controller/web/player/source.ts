/**
 * Brings a pull's playlist to a video element: hls.js, loaded when first needed, or the browser's own player where there is no media
 * source. Tells the segments with their wall times as they become known, and each failure once, as a Fault.
 */
import { Fault } from '@longroof/base/errors';
import type { ErrorData, default as HlsClass, LevelDetails } from 'hls.js';
import { readPlaylist, type TimedSegment } from '../logic/wall-map.js';

export interface SourceListener {
  segments(segments: TimedSegment[], growing: boolean): void;
  failed(fault: Fault): void;
}

export interface Attached {
  detach(): void;
}

/** True when this browser can decode the codecs (RFC 6381) of a fragmented MP4. Unknown codecs are tried. */
export function canPlay(codec: string | null): boolean {
  if (codec === null) return true;
  const type = `video/mp4; codecs="${codec}"`;
  if (typeof MediaSource !== 'undefined') return MediaSource.isTypeSupported(type);
  return document.createElement('video').canPlayType(type) !== '';
}

export function withToken(url: string, token: string | undefined): string {
  if (token === undefined || /[?&]token=/.test(url)) return url;
  return `${url}${url.includes('?') ? '&' : '?'}token=${encodeURIComponent(token)}`;
}

function timed(details: LevelDetails): TimedSegment[] {
  const segments: TimedSegment[] = [];
  for (const fragment of details.fragments) {
    if (fragment.programDateTime !== null) {
      segments.push({ startS: fragment.start, durationS: fragment.duration, utcMs: fragment.programDateTime });
    }
  }
  return segments;
}

/** While a pull runs, its first segment may be a while in coming: asked again for about twenty seconds. */
const PATIENT = {
  default: {
    maxTimeToFirstByteMs: 20_000,
    maxLoadTimeMs: 20_000,
    timeoutRetry: { maxNumRetry: 2, retryDelayMs: 0, maxRetryDelayMs: 0 },
    errorRetry: { maxNumRetry: 6, retryDelayMs: 1_000, maxRetryDelayMs: 4_000 },
  },
};

/** A refusal is `denied`: the permission to look has run out; the rest is worth another try. */
function faultOf(data: ErrorData): Fault {
  const status = data.response?.code;
  if (status === 401 || status === 403) return new Fault('denied', 'LR_VIEW_EXPIRED', 'the permission to look has run out');
  if (status === 503) return new Fault('unavailable', 'LR_FOOTAGE_NOT_YET', 'the first footage has not arrived yet');
  if (status === 404) return new Fault('not-found', 'LR_FOOTAGE_NONE', 'there is no footage');
  const kind = data.type === 'networkError' ? 'unavailable' : 'invalid';
  return new Fault(kind, 'LR_PLAYBACK', `${data.details}${status ? ` (HTTP ${status})` : ''}`);
}

function attachHls(Hls: typeof HlsClass, video: HTMLVideoElement, url: string, token: string | undefined, to: SourceListener): Attached {
  const hls = new Hls({
    startPosition: 0,
    enableWorker: false,
    backBufferLength: 60,
    maxBufferLength: 30,
    manifestLoadPolicy: PATIENT,
    playlistLoadPolicy: PATIENT,
    xhrSetup: (xhr, address) => {
      if (token !== undefined) xhr.open('GET', withToken(address, token), true);
    },
  });
  let recovered = false;
  const tell = (_: unknown, data: { details: LevelDetails }): void => to.segments(timed(data.details), data.details.live);
  hls.on(Hls.Events.LEVEL_UPDATED, tell);
  hls.on(Hls.Events.LEVEL_PTS_UPDATED, tell);
  hls.on(Hls.Events.ERROR, (_, data) => {
    if (!data.fatal) return;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && !recovered) {
      recovered = true;
      hls.recoverMediaError();
      return;
    }
    hls.stopLoad();
    to.failed(faultOf(data));
  });
  hls.loadSource(url);
  hls.attachMedia(video);
  return { detach: () => hls.destroy() };
}

function attachNative(video: HTMLVideoElement, url: string, token: string | undefined, to: SourceListener): Attached {
  const address = withToken(url, token);
  const abort = new AbortController();
  const read = (): void => {
    fetch(address, { signal: abort.signal })
      .then(async (answer) => {
        if (!answer.ok) throw new Fault('unavailable', 'LR_PLAYBACK', `playlist: HTTP ${answer.status}`);
        const text = await answer.text();
        to.segments(readPlaylist(text), !text.includes('#EXT-X-ENDLIST'));
      })
      .catch((error: unknown) => {
        if (abort.signal.aborted) return;
        to.failed(error instanceof Fault ? error : new Fault('unavailable', 'LR_PLAYBACK', String(error), { cause: error }));
      });
  };
  const failed = (): void => to.failed(new Fault('invalid', 'LR_PLAYBACK', video.error?.message ?? 'media error'));
  video.addEventListener('durationchange', read);
  video.addEventListener('error', failed);
  video.src = address;
  return {
    detach() {
      abort.abort();
      video.removeEventListener('durationchange', read);
      video.removeEventListener('error', failed);
      video.removeAttribute('src');
      video.load();
    },
  };
}

export async function attachSource(
  video: HTMLVideoElement,
  url: string,
  token: string | undefined,
  listener: SourceListener,
): Promise<Attached> {
  const { default: Hls } = await import('hls.js/light');
  if (Hls.isSupported()) return attachHls(Hls, video, url, token, listener);
  if (video.canPlayType('application/vnd.apple.mpegurl') !== '') return attachNative(video, url, token, listener);
  throw new Fault('invalid', 'LR_PLAYBACK', 'this browser plays no HLS');
}
