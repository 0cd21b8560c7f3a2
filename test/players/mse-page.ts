/** A page that plays a recorded reel through Media Source Extensions, served on the loopback, and tells what the browser made of it. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Recorded } from './record.js';

export interface Played {
  error: string | null;
  /** Buffered ranges in seconds. */
  buffered: [number, number][];
  width: number;
  height: number;
  frames: number;
  ended: boolean;
}

const PAGE = `<!doctype html><meta charset="utf-8"><video muted></video><script type="module">
const reel = await (await fetch('/reel.json')).json();
const video = document.querySelector('video');
const failed = new Promise((_, reject) => video.addEventListener('error', () => reject(new Error(video.error.message || 'media error'))));
const happens = (target, name) => Promise.race([failed, new Promise((resolve) => target.addEventListener(name, resolve, { once: true }))]);
const ranges = () => Array.from({ length: video.buffered.length }, (_, i) => [video.buffered.start(i), video.buffered.end(i)]);
try {
  const source = new MediaSource();
  video.src = URL.createObjectURL(source);
  await happens(source, 'sourceopen');
  const buffer = source.addSourceBuffer('video/mp4; codecs="' + reel.codec + '"');
  for (let i = 0; i < reel.parts; i++) {
    buffer.appendBuffer(await (await fetch('/part/' + i)).arrayBuffer());
    await happens(buffer, 'updateend');
  }
  source.endOfStream();
  const buffered = ranges();
  video.currentTime = buffered[0][0];
  video.playbackRate = 2;
  const ended = happens(video, 'ended');
  await video.play();
  await ended;
  const { totalVideoFrames } = video.getVideoPlaybackQuality();
  const { videoWidth: width, videoHeight: height } = video;
  window.played = { error: null, buffered, width, height, frames: totalVideoFrames, ended: video.ended };
} catch (error) {
  window.played = { error: String(error), buffered: ranges(), width: 0, height: 0, frames: 0, ended: false };
}
</script>`;

export async function servePage(reel: Recorded): Promise<{ url: string; close: () => void }> {
  const parts = [reel.init, ...reel.fragments];
  const server = http.createServer((request, response) => {
    const part = request.url?.match(/^\/part\/(\d+)$/)?.[1];
    if (part !== undefined) response.end(parts[Number(part)]);
    else if (request.url === '/reel.json') response.end(JSON.stringify({ codec: reel.codec, parts: parts.length }));
    else if (request.url === '/') response.setHeader('content-type', 'text/html').end(PAGE);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, close: () => server.close().closeAllConnections() };
}
