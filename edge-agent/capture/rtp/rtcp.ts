/** The sender report in a compound RTCP packet (RFC 3550, 6.1 and 6.4.1): the camera's wall clock beside its RTP clock. */
import type { UtcMs } from '@longroof/base/clock';

export interface SenderReport {
  ssrc: number;
  utcMs: UtcMs;
  rtpTimestamp: number;
}

/** Seconds from 1900-01-01 to 1970-01-01 (RFC 5905, 6). */
const NTP_TO_UNIX_S = 2_208_988_800;
const SENDER_REPORT = 200;

/** Undefined where there is none, or where the camera says that it has no wall clock (an NTP time of 0). */
export function readSenderReport(bytes: Buffer, start: number, end: number): SenderReport | undefined {
  for (let at = start; at + 8 <= end; ) {
    const length = 4 * (bytes.readUInt16BE(at + 2) + 1);
    if ((bytes[at] as number) >> 6 !== 2 || at + length > end) return undefined;
    if (bytes[at + 1] === SENDER_REPORT && length >= 28) {
      const seconds = bytes.readUInt32BE(at + 8);
      const fraction = bytes.readUInt32BE(at + 12);
      if (seconds === 0 && fraction === 0) return undefined;
      // Before 1968 by the top bit: the second era of NTP, from 2036 on (RFC 4330, 3).
      const unixS = seconds - NTP_TO_UNIX_S + (seconds < 0x8000_0000 ? 2 ** 32 : 0);
      return {
        ssrc: bytes.readUInt32BE(at + 4),
        utcMs: unixS * 1000 + (fraction / 2 ** 32) * 1000,
        rtpTimestamp: bytes.readUInt32BE(at + 16),
      };
    }
    at += length;
  }
  return undefined;
}
