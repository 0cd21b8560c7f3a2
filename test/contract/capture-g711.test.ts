/** A camera with G.711 sound, which MP4 cannot hold: our own client records the picture alone, ffmpeg makes AAC of it and says so. */
import net from 'node:net';
import t from 'tap';
import { makeMedia } from '../peers/media.js';
import { until } from '../peers/program.js';
import { loadClip } from '../peers/rtsp/clip.js';
import { packetize, patchPacket } from '../peers/rtsp/packetize.js';
import { ENGINES, record } from './capture-camera.js';

/** 20 ms of a square wave in mu-law behind RTP and interleaved headers (RFC 3551, 4.5.14). */
function soundPacket(sequence: number): Buffer {
  const packet = Buffer.alloc(4 + 12 + 160);
  packet.set([0x24, 2, 0, 172, 0x80, 0]);
  for (let i = 16; i < packet.length; i++) packet[i] = i % 20 < 10 ? 0x9f : 0x1f;
  patchPacket(packet, 0, sequence, sequence * 160, 7);
  return packet;
}

async function startCamera(): Promise<{ url: string; close: () => void }> {
  const clip = await loadClip(await makeMedia({}), { inBand: true, audio: false });
  const [track] = clip.tracks;
  if (!track) throw new Error('no track');
  const packed = clip.units.map((unit) => packetize(unit, track, { channel: 0, payloadType: 96, options: { files: [] } }));
  const sets = track.parameterSets.map((set) => set.toString('base64')).join(',');
  const video = [
    'm=video 0 RTP/AVP 96',
    'a=rtpmap:96 H264/90000',
    `a=fmtp:96 packetization-mode=1;sprop-parameter-sets=${sets}`,
    'a=control:v',
  ];
  const sdp = ['v=0', 'o=- 1 1 IN IP4 0.0.0.0', 's=x', 't=0 0', ...video, 'm=audio 0 RTP/AVP 0', 'a=control:a', ''].join('\r\n');
  const play = (socket: net.Socket): void => {
    let frame = 0;
    let sequence = 0;
    const timer = setInterval(() => {
      const packets = packed[frame % packed.length];
      if (!packets || socket.destroyed) return;
      const bytes = Buffer.from(packets.buffer);
      for (const start of packets.starts.slice(0, -1)) patchPacket(bytes, start, sequence++, frame * 3600, 3);
      socket.write(Buffer.concat([bytes, soundPacket(2 * frame), soundPacket(2 * frame + 1)]));
      frame += 1;
    }, 40);
    socket.once('close', () => clearInterval(timer));
  };
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      for (const [, method = '', cseq = '', rest = ''] of bytes
        .toString('latin1')
        .matchAll(/([A-Z_]+) rtsp\S* RTSP\/1\.0\r\nCSeq: (\d+)\r\n((?:.+\r\n)*)\r\n/g)) {
        const transport = /^Transport: (.*)$/im.exec(rest)?.[1];
        const lines = [
          'RTSP/1.0 200 OK',
          `CSeq: ${cseq}`,
          'Session: 1',
          'Public: DESCRIBE, SETUP, PLAY',
          ...(transport ? [`Transport: ${transport}`] : []),
        ];
        const body = method === 'DESCRIBE' ? sdp : '';
        socket.write(`${lines.join('\r\n')}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        if (method === 'PLAY') play(socket);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { url: `rtsp://127.0.0.1:${port}/cam`, close };
}

for (const name of ENGINES) {
  t.test(`${name}: G.711`, async (t) => {
    const camera = await startCamera();
    t.teardown(camera.close);
    const { recorder, engine } = record(camera.url, name, { audio: true });
    await until('footage', () => recorder.video().length > 50 && (name === 'own' || recorder.audio().length > 50));
    await engine.stop();
    t.same(recorder.complaints, []);
    const audio = recorder.told[0]?.find((track) => track.kind === 'audio');
    if (name === 'own') t.equal(audio, undefined, 'the picture alone');
    else t.match(audio, { codec: 'aac', derived: true, sampleRate: 8000, channels: 1 });
  });
}
