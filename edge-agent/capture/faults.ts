/**
 * What can go wrong between a camera and its access units: each code with its kind (whether to try again) and the cause that the
 * gap ledger shows for the time without footage. A closed table, so that state, log and documentation agree.
 */
import { Fault, type FaultKind } from '@longroof/base/errors';
import type { GapCause } from '@longroof/protocol/gap';

interface CaptureCode {
  kind: FaultKind;
  cause: GapCause;
  /** The camera answers, but our own client cannot make sense of it: another engine may. */
  parse?: true;
}

export const CAPTURE_CODES = {
  LR_RTSP_URL: { kind: 'invalid', cause: 'camera-unreachable' },
  LR_RTSP_CONNECT: { kind: 'unavailable', cause: 'camera-unreachable' },
  LR_RTSP_CLOSED: { kind: 'unavailable', cause: 'camera-unreachable' },
  LR_RTSP_TIMEOUT: { kind: 'timeout', cause: 'camera-unreachable' },
  LR_RTSP_STALLED: { kind: 'timeout', cause: 'camera-stalled' },
  LR_RTSP_NOT_RTSP: { kind: 'corrupt', cause: 'camera-not-rtsp' },
  LR_RTSP_HEADERS: { kind: 'too-large', cause: 'camera-not-rtsp' },
  LR_RTSP_BODY: { kind: 'too-large', cause: 'camera-not-rtsp' },
  LR_RTSP_PARSE: { kind: 'corrupt', cause: 'camera-not-rtsp', parse: true },
  LR_RTSP_GARBAGE: { kind: 'corrupt', cause: 'camera-not-rtsp', parse: true },
  LR_RTSP_REFUSED: { kind: 'denied', cause: 'camera-refused' },
  LR_RTSP_CREDENTIALS: { kind: 'denied', cause: 'camera-refused' },
  LR_RTSP_BASIC_REFUSED: { kind: 'denied', cause: 'camera-refused' },
  LR_RTSP_AUTH_SCHEME: { kind: 'denied', cause: 'camera-refused', parse: true },
  LR_RTSP_NOT_FOUND: { kind: 'not-found', cause: 'camera-no-video' },
  LR_RTSP_STATUS: { kind: 'unavailable', cause: 'camera-unreachable' },
  LR_RTSP_REDIRECT: { kind: 'invalid', cause: 'camera-unreachable' },
  LR_RTSP_TRANSPORT: { kind: 'invalid', cause: 'camera-no-video', parse: true },
  LR_RTSP_SDP: { kind: 'corrupt', cause: 'camera-no-video', parse: true },
  LR_RTSP_NO_VIDEO: { kind: 'not-found', cause: 'camera-no-video', parse: true },
  LR_RTSP_CODEC: { kind: 'invalid', cause: 'camera-no-video', parse: true },
  LR_CAPTURE_NO_KEY_FRAME: { kind: 'unavailable', cause: 'camera-no-key-frame' },
  LR_CAPTURE_ENGINE: { kind: 'unavailable', cause: 'camera-not-rtsp' },
  LR_FFMPEG_START: { kind: 'unavailable', cause: 'camera-unreachable' },
  LR_FFMPEG_EXIT: { kind: 'unavailable', cause: 'camera-unreachable' },
  LR_FFMPEG_OUTPUT: { kind: 'corrupt', cause: 'damaged' },
} as const satisfies Record<string, CaptureCode>;

export type CaptureCodeName = keyof typeof CAPTURE_CODES;

export function captureFault(code: CaptureCodeName, message: string, cause?: unknown): Fault {
  return new Fault(CAPTURE_CODES[code].kind, code, message, { cause });
}

function look(code: string): CaptureCode | undefined {
  return Object.hasOwn(CAPTURE_CODES, code) ? CAPTURE_CODES[code as CaptureCodeName] : undefined;
}

/** The cause for the gap ledger; a foreign failure (a socket error, a bug) leaves the camera unreachable. */
export function gapCauseOf(fault: Fault): GapCause {
  return look(fault.code)?.cause ?? 'camera-unreachable';
}

/** The kernel has no way to any camera, as before the network of a unit is up. */
export function hasNoNetwork(fault: Fault): boolean {
  return (fault.cause as NodeJS.ErrnoException | undefined)?.code === 'ENETUNREACH';
}

export function isParseFailure(fault: Fault): boolean {
  return look(fault.code)?.parse === true;
}
