/**
 * Addresses of the camera as addresses on the relay and back: `rtsp://cam:554/a` is `rtsp://127.0.0.1:PORT/TOKEN/0/a`, where the
 * number names the authority, since cameras also use addresses of theirs that are not the one they are reached by.
 */
const AUTHORITIES_MAX = 16;

export class UrlMap {
  readonly #prefix: string;
  readonly #authorities: string[] = [];

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  toLocal(url: string): string {
    const match = /^(rtsp:\/\/(?:[^/?#]*@)?)([^/?#]*)(.*)$/is.exec(url);
    if (!match) return url;
    const [, , authority = '', rest = ''] = match;
    let index = this.#authorities.indexOf(authority);
    if (index < 0) {
      if (this.#authorities.length === AUTHORITIES_MAX) return url;
      index = this.#authorities.push(authority) - 1;
    }
    return `${this.#prefix}/${index}${rest}`;
  }

  /** Undefined for what is no address of this relay; `*` stays. */
  toCamera(url: string): string | undefined {
    if (url === '*') return url;
    if (!url.startsWith(`${this.#prefix}/`)) return undefined;
    const match = /^(\d+)(.*)$/s.exec(url.slice(this.#prefix.length + 1));
    const authority = match ? this.#authorities[Number(match[1])] : undefined;
    return authority === undefined ? undefined : `rtsp://${authority}${match?.[2] ?? ''}`;
  }

  /** All camera addresses in a text. */
  replace(text: string): string {
    return text.replace(/rtsp:\/\/[^\s;,"<>]+/gi, (url) => this.toLocal(url));
  }
}
