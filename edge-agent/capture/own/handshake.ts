/**
 * From a connection to a playing session (RFC 2326, 10.1 to 10.5): OPTIONS, DESCRIBE, SETUP of the tracks we record, PLAY. Plain steps
 * in order; what the camera refuses ends them with a fault that says which.
 */
import { captureFault } from '../faults.js';
import { header, parseInterleaved, parseSession, type RtspMessage } from '../rtsp/message.js';
import { parseSdp, type SdpMedia } from '../rtsp/sdp.js';
import { type CameraUrl, controlUrl, redirectUrl } from '../rtsp/url.js';
import type { Requests } from './requests.js';

export interface Channels {
  rtp: number;
  rtcp: number;
}

export interface SetUpTrack {
  media: SdpMedia;
  channels: Channels;
}

export interface Prepared {
  video: SetUpTrack;
  audio: SetUpTrack | undefined;
  /** For PLAY, keep-alive and TEARDOWN. */
  aggregateUrl: string;
  keepAliveMethod: string;
  sessionTimeoutS: number;
}

export type Preparation = Prepared | { redirect: CameraUrl };

/** Up to SETUP of all tracks; `play` follows once the receivers stand ready. */
export async function prepare(requests: Requests, url: CameraUrl, wantAudio: boolean): Promise<Preparation> {
  const options = await requests.send('OPTIONS', url.wire);
  const keepAliveMethod = chooseKeepAlive(options);
  const described = await requests.expect('DESCRIBE', url.wire, { Accept: 'application/sdp' });
  if (described.status >= 300) return { redirect: redirectUrl(url, header(described, 'location') ?? '') };
  const base = baseUrl(described, url.wire);
  const description = parseSdp(described.body);
  const videoMedia = chooseVideo(description.media);
  const audioMedia = wantAudio ? description.media.find((media) => media.codec === 'aac') : undefined;

  const first = await setUp(requests, controlUrl(base, videoMedia.control), 0);
  const { id, timeoutS } = parseSession(header(first.response, 'session') ?? '');
  if (id !== '') requests.session = id;
  const audio = audioMedia ? await setUpAudio(requests, controlUrl(base, audioMedia.control), audioMedia) : undefined;
  return {
    video: { media: videoMedia, channels: first.channels },
    audio,
    aggregateUrl: controlUrl(base, description.control),
    keepAliveMethod,
    sessionTimeoutS: timeoutS,
  };
}

export async function play(requests: Requests, aggregateUrl: string): Promise<void> {
  const response = await requests.expect('PLAY', aggregateUrl, { Range: 'npt=0.000-' });
  if (response.status >= 300) throw captureFault('LR_RTSP_REDIRECT', 'the camera redirects in the middle of a session');
}

/** RFC 2326, 10.8: an empty GET_PARAMETER is the usual sign of life; OPTIONS every server knows. */
function chooseKeepAlive(options: RtspMessage): string {
  const methods = (options.headers.get('public') ?? []).join(',').split(/[\s,]+/);
  return ['GET_PARAMETER', 'SET_PARAMETER'].find((method) => methods.includes(method)) ?? 'OPTIONS';
}

/** RFC 2326, C.1.1. User information in it is left out. */
function baseUrl(described: RtspMessage, requested: string): string {
  for (const name of ['content-base', 'content-location']) {
    const value = header(described, name);
    if (value && /^rtsp:\/\//i.test(value)) return controlUrl(requested, value);
  }
  return requested;
}

function chooseVideo(all: readonly SdpMedia[]): SdpMedia {
  const videos = all.filter((media) => media.kind === 'video');
  const found = videos.find((media) => media.codec === 'h264' || media.codec === 'h265');
  if (found) return found;
  if (videos.length === 0) throw captureFault('LR_RTSP_NO_VIDEO', 'the camera offers no video track');
  const names = videos.map((media) => media.encoding.slice(0, 20) || 'an unnamed format').join(', ');
  throw captureFault('LR_RTSP_CODEC', `the camera offers ${names}; H.264 or H.265 with packetization mode 0 or 1 is needed`);
}

async function setUp(requests: Requests, url: string, index: number): Promise<{ response: RtspMessage; channels: Channels }> {
  const response = await requests.expect('SETUP', url, { Transport: `RTP/AVP/TCP;unicast;interleaved=${2 * index}-${2 * index + 1}` });
  if (response.status >= 300) throw captureFault('LR_RTSP_REDIRECT', 'the camera redirects in the middle of a session');
  const transport = header(response, 'transport') ?? '';
  if (/^RTP\/AVP(\/UDP)?\s*(;|$)/i.test(transport))
    throw captureFault('LR_RTSP_TRANSPORT', 'the camera sends over UDP only; sending over the RTSP connection (interleaved) is needed');
  return { response, channels: parseInterleaved(transport) ?? { rtp: 2 * index, rtcp: 2 * index + 1 } };
}

/** A camera that describes audio and will not set it up is recorded without. */
async function setUpAudio(requests: Requests, url: string, media: SdpMedia): Promise<SetUpTrack | undefined> {
  const response = await requests.send('SETUP', url, { Transport: 'RTP/AVP/TCP;unicast;interleaved=2-3' });
  if (response.status < 200 || response.status >= 300) return undefined;
  return { media, channels: parseInterleaved(header(response, 'transport') ?? '') ?? { rtp: 2, rtcp: 3 } };
}
