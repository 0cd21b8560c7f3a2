/** Makes the receivers of a session from its description, and finds the one for a channel. */
import { readAudioConfig } from '../codec/aac.js';
import { h264 } from '../codec/h264.js';
import { h265 } from '../codec/h265.js';
import type { CaptureSink, TrackInfo } from '../engine.js';
import type { MediaAxis } from '../media-axis.js';
import { AudioReceiver } from '../rtp/audio-receiver.js';
import { VideoReceiver } from '../rtp/video-receiver.js';
import type { SdpMedia } from '../rtsp/sdp.js';
import type { Prepared, SetUpTrack } from './handshake.js';
import { SessionOutput } from './output.js';

export interface Receivers {
  video: VideoReceiver;
  audio: AudioReceiver | undefined;
  output: SessionOutput;
  /** By channel. */
  rtp: (VideoReceiver | AudioReceiver | undefined)[];
  rtcp: (VideoReceiver | AudioReceiver | undefined)[];
}

export function makeReceivers(prepared: Prepared, sink: CaptureSink, axis: MediaAxis, started: () => void): Receivers {
  const about = prepared.audio ? audioTrack(prepared.audio.media) : undefined;
  const output = new SessionOutput(sink, axis, about?.info, started);
  const { media } = prepared.video;
  const video: VideoReceiver = new VideoReceiver({
    codec: media.codec === 'h265' ? h265 : h264,
    payloadType: media.payloadType,
    clockRate: media.clockRate,
    parameterSets: media.parameterSets,
    arena: () => sink.arena('video'),
    unit: (unit) => output.video(unit, video),
    discontinuity: () => output.videoDiscontinuity(),
  });
  const receivers: Receivers = { video, audio: undefined, output, rtp: [], rtcp: [] };
  connect(receivers, prepared.video, video);
  if (prepared.audio && about) {
    receivers.audio = makeAudio(prepared.audio.media, about, sink, output);
    connect(receivers, prepared.audio, receivers.audio);
  }
  return receivers;
}

function connect(receivers: Receivers, track: SetUpTrack, receiver: VideoReceiver | AudioReceiver): void {
  receivers.rtp[track.channels.rtp] = receiver;
  receivers.rtcp[track.channels.rtcp] = receiver;
}

/** Undefined where the configuration cannot be read: then there is no audio to record. */
function audioTrack(media: SdpMedia): { info: TrackInfo; frameTicks: number } | undefined {
  const facts = media.audioConfig ? readAudioConfig(media.audioConfig) : undefined;
  if (!facts || !media.audioConfig) return undefined;
  const info: TrackInfo = {
    kind: 'audio',
    codec: 'aac',
    clockRate: media.clockRate,
    parameterSets: [],
    audioConfig: media.audioConfig,
    sampleRate: facts.sampleRate,
    channels: facts.channels || media.channels,
  };
  return { info, frameTicks: (facts.frameSamples * media.clockRate) / facts.sampleRate };
}

function makeAudio(media: SdpMedia, about: { frameTicks: number }, sink: CaptureSink, output: SessionOutput): AudioReceiver {
  const low = /^aac-lbr$/i.test(media.parameters.get('mode') ?? '');
  const bits = (name: string, usual: number): number => {
    const text = media.parameters.get(name) ?? '';
    return /^\d{1,2}$/.test(text) && Number(text) <= 16 ? Number(text) : usual;
  };
  const audio: AudioReceiver = new AudioReceiver({
    payloadType: media.payloadType,
    clockRate: media.clockRate,
    frameTicks: about.frameTicks,
    sizeLength: bits('sizelength', low ? 6 : 13),
    indexLength: bits('indexlength', low ? 2 : 3),
    indexDeltaLength: bits('indexdeltalength', low ? 2 : 3),
    arena: () => sink.arena('audio'),
    frame: (frame) => output.audio(frame, audio.clock),
    discontinuity: () => output.audioDiscontinuity(),
  });
  return audio;
}
