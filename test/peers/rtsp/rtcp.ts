/** Sender reports (RFC 3550, 6.4.1) behind an interleaved header. */
const NTP_EPOCH_OFFSET_S = 2_208_988_800;

export interface SenderReport {
  channel: number;
  ssrc: number;
  utcMs: number;
  rtpTimestamp: number;
  packets: number;
  octets: number;
}

export function encodeSenderReport(report: SenderReport): Buffer {
  const bytes = Buffer.alloc(4 + 28);
  bytes[0] = 0x24;
  bytes[1] = report.channel;
  bytes.writeUInt16BE(28, 2);
  bytes[4] = 0x80;
  bytes[5] = 200;
  bytes.writeUInt16BE(6, 6);
  bytes.writeUInt32BE(report.ssrc >>> 0, 8);
  const seconds = Math.floor(report.utcMs / 1000);
  bytes.writeUInt32BE((seconds + NTP_EPOCH_OFFSET_S) >>> 0, 12);
  bytes.writeUInt32BE(Math.floor(((report.utcMs - seconds * 1000) / 1000) * 2 ** 32) >>> 0, 16);
  bytes.writeUInt32BE(report.rtpTimestamp >>> 0, 20);
  bytes.writeUInt32BE(report.packets >>> 0, 24);
  bytes.writeUInt32BE(report.octets >>> 0, 28);
  return bytes;
}
