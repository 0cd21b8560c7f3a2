/** RTP headers (RFC 3550, 5.1), read in place into one object that is used again for each packet. */
export class RtpHeader {
  marker = false;
  payloadType = 0;
  sequence = 0;
  timestamp = 0;
  ssrc = 0;
  /** Behind CSRCs and extension, in front of padding. */
  payloadStart = 0;
  payloadEnd = 0;

  /** False when the packet in `bytes[start..end)` is not whole RTP of version 2. */
  read(bytes: Buffer, start: number, end: number): boolean {
    if (end - start < 12) return false;
    const first = bytes[start] as number;
    if (first >> 6 !== 2) return false;
    const second = bytes[start + 1] as number;
    this.marker = second >= 128;
    this.payloadType = second & 127;
    this.sequence = ((bytes[start + 2] as number) << 8) | (bytes[start + 3] as number);
    this.timestamp = bytes.readUInt32BE(start + 4);
    this.ssrc = bytes.readUInt32BE(start + 8);
    let at = start + 12 + 4 * (first & 15);
    if ((first & 16) !== 0) {
      if (at + 4 > end) return false;
      at += 4 + 4 * bytes.readUInt16BE(at + 2);
    }
    let last = end;
    if ((first & 32) !== 0) {
      const padding = bytes[end - 1] as number;
      if (padding === 0) return false;
      last -= padding;
    }
    this.payloadStart = at;
    this.payloadEnd = last;
    return at <= last;
  }
}
