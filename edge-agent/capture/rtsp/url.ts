/** Camera URLs: credentials apart from what goes over the wire, and the control URLs of a description (RFC 2326, C.1.1). */
import { captureFault } from '../faults.js';

export interface Credentials {
  user: string;
  password: string;
}

export interface CameraUrl {
  host: string;
  port: number;
  /** Without user information: what stands in request lines. */
  wire: string;
  credentials: Credentials | undefined;
}

const URL_CHARS_MAX = 4096;

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A password with a bare percent sign, typed as it is.
    return text;
  }
}

/** Throws LR_RTSP_URL; the message never holds the URL, which may hold a password. */
export function parseCameraUrl(text: string): CameraUrl {
  const match = /^rtsp:\/\/(?:([^/?#]*)@)?(\[[0-9a-f:.]+\]|[^/?#:@[\]]+)(?::(\d{1,5}))?([/?][^\s#]*)?$/i.exec(text);
  const port = match?.[3] === undefined ? 554 : Number(match[3]);
  if (!match || text.length > URL_CHARS_MAX || port < 1 || port > 65_535)
    throw captureFault('LR_RTSP_URL', 'not a camera address: rtsp://user:password@host:port/path is expected');
  const [, userInfo, host = '', , path = ''] = match;
  const colon = userInfo === undefined ? -1 : userInfo.indexOf(':');
  const credentials =
    userInfo === undefined || userInfo === ''
      ? undefined
      : { user: decode(colon < 0 ? userInfo : userInfo.slice(0, colon)), password: colon < 0 ? '' : decode(userInfo.slice(colon + 1)) };
  const portText = match[3] === undefined ? '' : `:${port}`;
  return { host: host.replace(/^\[|\]$/g, ''), port, wire: `rtsp://${host}${portText}${path}`, credentials };
}

/** Where a redirection leads. Credentials go along to the same host only. Throws LR_RTSP_REDIRECT. */
export function redirectUrl(from: CameraUrl, location: string): CameraUrl {
  const absolute = location.startsWith('/') ? `${authority(from.wire)}${location}` : location;
  let to: CameraUrl;
  try {
    to = parseCameraUrl(absolute);
  } catch (error) {
    throw captureFault('LR_RTSP_REDIRECT', 'the camera redirects to something that is no RTSP address', error);
  }
  if (to.credentials) return to;
  return to.host.toLowerCase() === from.host.toLowerCase() ? { ...to, credentials: from.credentials } : to;
}

function authority(url: string): string {
  return /^rtsp:\/\/[^/?#]*/i.exec(url)?.[0] ?? url;
}

/**
 * The URL of a control attribute. Cameras build theirs by appending, also behind a query, so that is how it is read. User
 * information in it is left out.
 */
export function controlUrl(base: string, control: string | undefined): string {
  if (control === undefined || control === '' || control === '*') return base;
  if (/^rtspu?:\/\//i.test(control)) return control.replace(/^(rtspu?:\/\/)[^/?#]*@/i, '$1');
  if (control.startsWith('/')) return `${authority(base)}${control}`;
  return base.endsWith('/') ? `${base}${control}` : `${base}/${control}`;
}
