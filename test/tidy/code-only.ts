/**
 * The code of a TypeScript source with comments and the insides of texts blanked, so that a search meets code alone and braces can
 * be counted. Knows texts, templates within templates and regular expressions; every line stays where it was.
 */

/** A slash after one of these begins a regular expression; elsewhere it divides. */
const REGEX_MAY_FOLLOW = /(?:^|[(,=:[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of|await|yield|else))\s*$/;
const LOOK_BACK = 40;

class Blanker {
  readonly #text: string;
  readonly #out: string[];
  /** Depth of braces at which each open template's `${` began. */
  readonly #templates: number[] = [];
  #depth = 0;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#out = text.split('');
  }

  run(): string {
    while (this.#at < this.#text.length) this.#step();
    return this.#out.join('');
  }

  #step(): void {
    const c = this.#text[this.#at]!;
    if (this.#text.startsWith('//', this.#at)) this.#comment('\n', 0);
    else if (this.#text.startsWith('/*', this.#at)) this.#comment('*/', 2);
    else if (c === "'" || c === '"') this.#quoted(c);
    else if (c === '`') {
      this.#at++;
      this.#template();
    } else if (c === '/' && !this.#isOfTag() && REGEX_MAY_FOLLOW.test(this.#before())) this.#regex();
    else if (c === '}' && this.#templates.at(-1) === this.#depth) {
      this.#templates.pop();
      this.#blank(this.#at, ++this.#at);
      this.#template();
    } else {
      if (c === '{') this.#depth++;
      else if (c === '}') this.#depth--;
      this.#at++;
    }
  }

  /** The slash of `</form>` or `<br />`. */
  #isOfTag(): boolean {
    return this.#text[this.#at - 1] === '<' || this.#text[this.#at + 1] === '>';
  }

  #before(): string {
    return this.#out.slice(Math.max(0, this.#at - LOOK_BACK), this.#at).join('');
  }

  #blank(from: number, to: number): void {
    for (let i = from; i < to; i++) if (this.#out[i] !== '\n') this.#out[i] = ' ';
  }

  #comment(end: string, taken: number): void {
    const found = this.#text.indexOf(end, this.#at + 2);
    const to = found < 0 ? this.#text.length : found + taken;
    this.#blank(this.#at, to);
    this.#at = to;
  }

  #quoted(close: string): void {
    const from = ++this.#at;
    while (this.#at < this.#text.length && this.#text[this.#at] !== close) this.#at += this.#text[this.#at] === '\\' ? 2 : 1;
    this.#blank(from, this.#at++);
  }

  #template(): void {
    const text = this.#text;
    const from = this.#at;
    while (this.#at < text.length && text[this.#at] !== '`' && !text.startsWith('${', this.#at))
      this.#at += text[this.#at] === '\\' ? 2 : 1;
    this.#blank(from, this.#at);
    if (text[this.#at] === '`') this.#at++;
    else {
      this.#blank(this.#at, this.#at + 2);
      this.#templates.push(this.#depth);
      this.#at += 2;
    }
  }

  #regex(): void {
    const text = this.#text;
    const from = ++this.#at;
    for (let inClass = false; this.#at < text.length && text[this.#at] !== '\n' && (inClass || text[this.#at] !== '/'); this.#at++) {
      if (text[this.#at] === '\\') this.#at++;
      else if (text[this.#at] === '[') inClass = true;
      else if (text[this.#at] === ']') inClass = false;
    }
    this.#blank(from, this.#at++);
  }
}

export function codeOnly(text: string): string {
  return new Blanker(text).run();
}
