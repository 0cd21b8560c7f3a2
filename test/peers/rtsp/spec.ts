/** What a scripted RTSP server is told: plain data, so that it can stand in a JSON file too. */

export interface MountSpec {
  /** MP4 files, played one after the other in a loop; the SDP describes the first. See `makeMedia`. */
  files: string[];
  /** Rounds of a file before the next one plays (parameter sets change there). Default 1. */
  roundsPerFile?: number;
  audio?: boolean;
  /** `frame`: all packets of a frame in one write; `packet`: a write for each. Default `frame`. */
  mode?: 'frame' | 'packet';
  /** Where parameter sets are told. Default `both`. */
  parameterSets?: 'sdp' | 'band' | 'both';
  /** Where playing begins for the first player: at a key frame, or one frame behind it. Default `key`. */
  join?: 'key' | 'middle';
  /** First sequence number and RTP timestamp, e.g. near a wrap. Default random. */
  startSequence?: number;
  startTimestamp?: number;
  /** RTCP sender reports each so many milliseconds; 0 for none. Default 5000. */
  senderReportMs?: number;
  /** How far the camera's clock is ahead of true time. */
  cameraClockOffsetMs?: number;
  /** Largest RTP payload. Default 1400. */
  payloadBytesMax?: number;
  /** STAP-A (RFC 6184, 5.7.1) or AP (RFC 7798, 4.4.2) for neighbours that fit one packet. */
  aggregate?: boolean;
  paddingBytes?: number;
  headerExtension?: boolean;
  csrcs?: number;
  marker?: 'last' | 'never' | 'always';
  /** Every so many packets one is not sent; its sequence number is spent. 0 for none. */
  dropEvery?: number;
  control?: 'relative' | 'absolute' | 'star';
  /** DESCRIBE answers 302 to this. */
  redirectTo?: string;
  /** An application track (vnd.onvif.metadata) stands in the SDP in front of the others. */
  metadataTrack?: boolean;
}

export interface AuthSpec {
  scheme: 'digest-md5' | 'digest-sha256' | 'basic';
  user: string;
  password: string;
  /** Offer qop="auth". Default true. */
  qop?: boolean;
  /** A nonce is stale after so many uses. Default never. */
  nonceUses?: number;
}

export interface RtspServerSpec {
  /** 0 (default) for any free port. */
  port?: number;
  host?: string;
  /** By path without the leading slash. */
  mounts: Record<string, MountSpec>;
  auth?: AuthSpec;
  /** Told in the Session header, and enforced: silence for longer closes the connection. Default 60. */
  sessionTimeoutS?: number;
  /** In the Public header; others are answered with 405. OPTIONS, DESCRIBE, SETUP, PLAY and TEARDOWN are always there. */
  keepAliveMethods?: ('GET_PARAMETER' | 'SET_PARAMETER')[];
  /** How it answers: as RTSP, as a web server, with 10 MB of headers, or with noise. Default `rtsp`. */
  answers?: 'rtsp' | 'http' | 'endless-headers' | 'noise';
  /** Access units kept in each mount's log. Default 200,000. */
  logMax?: number;
}

/** One access unit as it went out, or should have. */
export interface SentUnit {
  mount: string;
  kind: 'video' | 'audio';
  /** Rises by one with each unit of the mount, over all rounds. */
  index: number;
  key: boolean;
  /** Hex, over the unit in MP4 form, as a recorder writes it. */
  sha256: string;
  /** The same over the NAL units with picture data only. */
  pictureSha256: string;
  firstSequence: number;
  packets: number;
  /** Packets of it that were left out on purpose. */
  dropped: number;
  rtpTimestamp: number;
  ssrc: number;
  sentUtcMs: number;
  /** CLOCK_MONOTONIC, as base/clock reads it. */
  sentMonoMs: number;
  /** Players it went to. */
  players: number;
}
