"""The demo's cameras: an RTSP server that encodes live pictures, each stream once however many look at it.

    scenes.py --port PORT --wagons 2 --cameras 4

Odd wagons send their main streams in H.264, even ones in H.265; every camera has an H.264 sub-stream under `/sub`. Prints
`{"port": N}` when it listens. Reads lines `{"wagon": "wagon-1", "metres": 12.5}` and moves that wagon's streets; ends when its
standard input does, so that it never outlives its owner."""

import argparse
import json
import os
import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

from paint import Painter  # noqa: E402

NAMES = ("front", "rear", "left", "right", "front-left", "front-right", "rear-left", "rear-right")
MAIN = {"width": 640, "height": 360, "fps": 10, "kbit": 500}
SUB = {"width": 320, "height": 180, "fps": 5, "kbit": 120}
ENCODERS = {
    "h264": "x264enc speed-preset=ultrafast tune=zerolatency threads=1 bitrate={kbit} key-int-max={gop} bframes=0 "
    "! video/x-h264,profile=constrained-baseline ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96",
    "h265": "x265enc speed-preset=ultrafast tune=zerolatency bitrate={kbit} key-int-max={gop} "
    'option-string="pools=none:frame-threads=1:wpp=0:bframes=0:open-gop=0:repeat-headers=1:scenecut=0:rc-lookahead=0:log-level=none" '
    "! h265parse config-interval=-1 ! rtph265pay name=pay0 pt=96",
}
TICK_MS = 10


class Travel:
    """How far a wagon has gone: told once a second, drawn out evenly between."""

    def __init__(self):
        self.metres, self.speed, self.told = 0.0, 0.0, time.monotonic()

    def tell(self, metres):
        now = time.monotonic()
        passed = now - self.told
        # Told once a second, so a difference is made good over a second. Over a shorter time it would be overdone: lines that
        # come late and then together must not swing further each time.
        if passed >= 5:
            self.metres, self.speed = metres, 0.0
        else:
            self.metres = self.at(now)
            self.speed = metres - self.metres
        self.told = now

    def at(self, now=None):
        return self.metres + self.speed * min(1.5, (now or time.monotonic()) - self.told)


class Stream(GstRtspServer.RTSPMediaFactory):
    """One mount. Its frames are painted and encoded only while somebody is connected."""

    def __init__(self, painter, travel, codec, size):
        super().__init__()
        self.painter, self.travel, self.size = painter, travel, size
        self.source, self.next_frame = None, 0
        self.playing, self.prerolled = False, 0.0
        caps = "video/x-raw,format=I420,width={width},height={height},framerate={fps}/1".format(**size)
        encoder = ENCODERS[codec].format(kbit=size["kbit"], gop=size["fps"] * 2)
        self.set_launch(f"( appsrc name=source is-live=true do-timestamp=true format=time block=false caps={caps} ! {encoder} )")
        self.set_shared(True)
        self.connect("media-configure", self.configured)

    def configured(self, _factory, media):
        self.source = media.get_element().get_by_name("source")
        self.playing, self.prerolled = False, 0.0
        media.connect("new-state", self.changed)
        media.connect("unprepared", self.ended)

    def changed(self, _media, state):
        self.playing = state == int(Gst.State.PLAYING)

    def ended(self, _media):
        self.source = None

    def tick(self, now):
        """Frames lie on whole multiples of the frame time, so that the streams of a wagon show the same instants."""
        number = int(now * self.size["fps"])
        if self.source is None or number == self.next_frame:
            return
        if not self.playing:
            # One frame lets the encoder tell its parameters. More would wait, and get their times out of order at the start.
            if now - self.prerolled < 1:
                return
            self.prerolled = now
        self.next_frame = number
        frame = self.painter.frame(time.time(), self.travel.at())
        self.source.emit("push-buffer", Gst.Buffer.new_wrapped(frame))


def build(server, wagons, cameras):
    streams, travels = [], {}
    mounts = server.get_mount_points()
    for wagon in range(1, wagons + 1):
        unit = f"wagon-{wagon}"
        travels[unit] = Travel()
        for index, name in enumerate(NAMES[:cameras]):
            for suffix, codec, size in (("", "h265" if wagon % 2 == 0 else "h264", MAIN), ("/sub", "h264", SUB)):
                painter = Painter(wagon * 100 + index, f"{unit} {name}", size["width"], size["height"])
                stream = Stream(painter, travels[unit], codec, size)
                mounts.add_factory(f"/{unit}/{name}{suffix}", stream)
                streams.append(stream)
    return streams, travels


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--port", default="0")
    options.add_argument("--wagons", type=int, default=2)
    options.add_argument("--cameras", type=int, default=4)
    given = options.parse_args()
    # GLib goes on after an error in a callback, without that callback: a server that stands still for ever is worse than none.
    show = sys.excepthook
    sys.excepthook = lambda *error: (show(*error), sys.stderr.flush(), os._exit(1))
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(given.port)
    streams, travels = build(server, given.wagons, given.cameras)
    if server.attach(None) == 0:
        sys.exit(f"scenes: port {given.port} is taken")
    loop = GLib.MainLoop()

    def tick():
        now = time.time()
        for stream in streams:
            stream.tick(now)
        return True

    def heard(channel, condition):
        line = sys.stdin.readline() if condition & GLib.IOCondition.IN else ""
        if not line:
            loop.quit()
            return False
        told = json.loads(line)
        if told["wagon"] in travels:
            travels[told["wagon"]].tell(told["metres"])
        return True

    GLib.timeout_add(TICK_MS, tick)
    GLib.io_add_watch(GLib.IOChannel.unix_new(0), GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN | GLib.IOCondition.HUP, heard)
    print(json.dumps({"port": server.get_bound_port()}), flush=True)
    loop.run()
    # At once: GStreamer's threads still push while the interpreter would take down what they push into, and it could crash.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
