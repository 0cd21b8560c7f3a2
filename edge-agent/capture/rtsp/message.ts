/**
 * RTSP messages (RFC 2326, 6 and 7): the head of a response or request as text into its parts, and requests into text. Lenient where
 * cameras are sloppy (bare line feeds, folded and malformed header lines), strict on what decides framing.
 */
import { captureFault } from '../faults.js';

/** A longer head is refused with LR_RTSP_HEADERS. */
export const HEAD_BYTES_MAX = 64 * 1024;
/** A longer body is refused with LR_RTSP_BODY. */
export const BODY_BYTES_MAX = 256 * 1024;

export interface RtspHead {
  /** Three digits; 0 for a request of the server. */
  status: number;
  reason: string;
  /** Of a request; empty for a response. */
  method: string;
  /** Of a request: what it is about, as it was written. */
  target: string;
  /** Names in lower case; values in order of appearance. */
  headers: Map<string, string[]>;
  contentLength: number;
}

export interface RtspMessage extends RtspHead {
  body: string;
}

/** Parses a head without its closing empty line. Throws LR_RTSP_NOT_RTSP for HTTP, LR_RTSP_PARSE, LR_RTSP_BODY. */
export function parseHead(text: string): RtspHead {
  const lines = text.split(/\r?\n/);
  const first = lines[0] ?? '';
  if (/^HTTP\//i.test(first)) throw captureFault('LR_RTSP_NOT_RTSP', 'a web server answers at this address, not an RTSP server');
  const response = /^RTSP\/\d\.\d +(\d{3})(?: +(.*))?$/.exec(first);
  const request = response ? undefined : /^([A-Z_]{1,32}) +(\S+) +RTSP\/\d\.\d$/.exec(first);
  if (!response && !request) throw captureFault('LR_RTSP_PARSE', 'a line that is neither an RTSP response nor a request');
  const headers = new Map<string, string[]>();
  let last: string[] | undefined;
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i] ?? '';
    if (/^[ \t]/.test(line) && last && last.length > 0) {
      last.push(`${last.pop()} ${line.trim()}`);
      continue;
    }
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const name = line.slice(0, colon).trim().toLowerCase();
    last = headers.get(name) ?? [];
    if (last.length === 0) headers.set(name, last);
    last.push(line.slice(colon + 1).trim());
  }
  return {
    status: response ? Number(response[1]) : 0,
    reason: response?.[2] ?? '',
    method: request?.[1] ?? '',
    target: request?.[2] ?? '',
    headers,
    contentLength: contentLength(headers),
  };
}

function contentLength(headers: Map<string, string[]>): number {
  const text = headers.get('content-length')?.[0];
  if (text === undefined || text === '') return 0;
  if (!/^\d{1,15}$/.test(text)) throw captureFault('LR_RTSP_PARSE', 'a Content-Length that is no number');
  const bytes = Number(text);
  if (bytes > BODY_BYTES_MAX) throw captureFault('LR_RTSP_BODY', `a message body of ${bytes} bytes, at most ${BODY_BYTES_MAX} are taken`);
  return bytes;
}

export function header(message: RtspHead, name: string): string | undefined {
  return message.headers.get(name)?.[0];
}

/** Throws LR_RTSP_PARSE where a value would break out of its line. */
export function formatRequest(method: string, url: string, headers: Readonly<Record<string, string>>): string {
  const lines = [`${method} ${url} RTSP/1.0`];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  for (const line of lines) {
    if (/[\r\n\0]/.test(line)) throw captureFault('LR_RTSP_PARSE', 'a line break inside a request line');
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** `id;timeout=60` (RFC 2326, 12.37). */
export function parseSession(value: string): { id: string; timeoutS: number } {
  const [id = '', ...rest] = value.split(';');
  const timeout = Number(/^\s*timeout\s*=\s*(\d{1,6})/i.exec(rest.find((part) => /timeout/i.test(part)) ?? '')?.[1] ?? 0);
  return { id: id.trim(), timeoutS: timeout > 0 ? timeout : 60 };
}

/** The channel pair of a Transport header (RFC 2326, 12.39), or undefined where it names none. */
export function parseInterleaved(value: string): { rtp: number; rtcp: number } | undefined {
  const match = /interleaved\s*=\s*(\d{1,3})(?:\s*-\s*(\d{1,3}))?/i.exec(value);
  if (!match) return undefined;
  const rtp = Number(match[1]);
  const rtcp = match[2] === undefined ? rtp + 1 : Number(match[2]);
  return rtp <= 255 && rtcp <= 255 ? { rtp, rtcp } : undefined;
}
