/** The light build has the same surface for what the page uses; its package declares no types of its own. */
declare module 'hls.js/light' {
  export * from 'hls.js';
  export { default } from 'hls.js';
}
