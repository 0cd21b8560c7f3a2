/** Names of units and cameras: safe in topics, paths, certificates and URLs alike. */

const ID = /^[a-z0-9-]{1,32}$/;

export function isId(text: unknown): text is string {
  return typeof text === 'string' && ID.test(text);
}
