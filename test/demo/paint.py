"""Paints the demo's pictures into I420 planes: a street that never repeats, a name, a readable UTC clock and the same instant
as blocks (see time-code.ts, which reads them). Plain bytes operations only: some tenths of a millisecond a frame, little
beside encoding."""

import random
import time

# 5x7 letters, one number a row, the left column in bit 4.
FONT = {
    "0": (14, 17, 19, 21, 25, 17, 14), "1": (4, 12, 4, 4, 4, 4, 14), "2": (14, 17, 1, 2, 4, 8, 31),
    "3": (31, 2, 4, 2, 1, 17, 14), "4": (2, 6, 10, 18, 31, 2, 2), "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14), "7": (31, 1, 2, 4, 8, 8, 8), "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12), "A": (14, 17, 17, 17, 31, 17, 17), "B": (30, 17, 17, 30, 17, 17, 30),
    "C": (14, 17, 16, 16, 16, 17, 14), "D": (28, 18, 17, 17, 17, 18, 28), "E": (31, 16, 16, 30, 16, 16, 31),
    "F": (31, 16, 16, 30, 16, 16, 16), "G": (14, 17, 16, 23, 17, 17, 15), "H": (17, 17, 17, 31, 17, 17, 17),
    "I": (14, 4, 4, 4, 4, 4, 14), "J": (7, 2, 2, 2, 2, 18, 12), "K": (17, 18, 20, 24, 20, 18, 17),
    "L": (16, 16, 16, 16, 16, 16, 31), "M": (17, 27, 21, 21, 17, 17, 17), "N": (17, 17, 25, 21, 19, 17, 17),
    "O": (14, 17, 17, 17, 17, 17, 14), "P": (30, 17, 17, 30, 16, 16, 16), "Q": (14, 17, 17, 17, 21, 18, 13),
    "R": (30, 17, 17, 30, 20, 18, 17), "S": (15, 16, 16, 14, 1, 1, 30), "T": (31, 4, 4, 4, 4, 4, 4),
    "U": (17, 17, 17, 17, 17, 17, 14), "V": (17, 17, 17, 17, 17, 10, 4), "W": (17, 17, 17, 21, 21, 21, 10),
    "X": (17, 17, 10, 4, 10, 17, 17), "Y": (17, 17, 17, 10, 4, 4, 4), "Z": (31, 1, 2, 4, 8, 16, 31),
    "-": (0, 0, 0, 31, 0, 0, 0), ":": (0, 12, 12, 0, 12, 12, 0), ".": (0, 0, 0, 0, 0, 12, 12), " ": (0,) * 7,
}
BLACK, WHITE = 16, 235
CODE_COLUMNS = 32


def glyphs(scale):
    """Each letter as 8 rows of bytes, one empty column and row included; rows are repeated when they are laid down."""
    made = {}
    for letter, rows in FONT.items():
        made[letter] = [
            b"".join(bytes([WHITE if row >> bit & 1 else BLACK]) * scale for bit in (4, 3, 2, 1, 0)) + bytes([BLACK]) * scale
            for row in rows + (0,)
        ]
    return made


def crc16(data):
    """CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xffff."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


class Street:
    """A panorama, twice as wide as the picture, drawn once from a seed; it closes on itself."""

    def __init__(self, seed, width, height):
        self.width, self.height = width * 2, height
        self.luma = bytearray(self.width * height)
        self.blue = bytearray(b"\x80" * (width * height // 2))
        self.red = bytearray(b"\x80" * (width * height // 2))
        chance = random.Random(seed)
        horizon = height * 5 // 8
        for y in range(horizon):
            self.box(0, y, self.width, 1, 190 - y * 50 // horizon, 150, 112)
        self.box(0, horizon, self.width, height - horizon, 92, 126, 130)
        self.box(0, horizon, self.width, height // 24, 140, 124, 132)
        x = 0
        while x < self.width:
            wide = min(self.width - x, chance.randrange(width // 8, width // 4) & ~1)
            self.house(chance, x, wide, horizon)
            x += max(wide, 2)
        for x in range(0, self.width, width // 8):
            self.box(x, height * 13 // 16, width // 16, max(2, height // 90), 200, 128, 128)

    def house(self, chance, x, wide, horizon):
        top = chance.randrange(self.height // 6, self.height // 2) & ~1
        shade = chance.randrange(80, 150)
        self.box(x, top, wide, horizon - top, shade, chance.randrange(112, 130), chance.randrange(126, 146))
        step = max(8, self.height // 18) & ~1
        for wy in range(top + step // 2, horizon - step, step * 2):
            for wx in range(x + step // 2, x + wide - step // 2, step * 2):
                self.box(wx, wy, step // 2 + 2, step, chance.choice((60, 70, 200)), 126, 130)

    def box(self, x, y, wide, high, luma, blue, red):
        row = bytes([luma]) * min(wide, self.width - x)
        for line in range(y, min(y + high, self.height)):
            at = line * self.width + x
            self.luma[at : at + len(row)] = row
        half = self.width // 2
        count = len(row) // 2
        for line in range(y // 2, min((y + high) // 2, self.height // 2)):
            at = line * half + x // 2
            self.blue[at : at + count] = bytes([blue]) * count
            self.red[at : at + count] = bytes([red]) * count


class Painter:
    """Gives the frame of one stream for an instant. `label` holds letters, digits, hyphens and spaces."""

    def __init__(self, seed, label, width, height):
        self.label, self.width, self.height = label.upper(), width, height
        self.street = Street(seed, width, height)
        self.whole_clock = width >= 480
        self.scale = 2 if width >= 320 else 1
        self.glyphs = glyphs(self.scale)
        self.cell = width // 40
        self.shift, self.still = None, b""
        chance = random.Random(seed + 1)
        # Cars: start, pixels a second, lane, luma, blue, red.
        self.cars = [
            (chance.randrange(width), chance.choice((-1, 1)) * width * chance.uniform(0.08, 0.25), lane, luma, blue, red)
            for lane, luma, blue, red in ((0, 60, 128, 190), (1, 200, 128, 128), (1, 50, 170, 110))
        ]

    def frame(self, utc, travelled):
        """`utc` in seconds; `travelled` in metres, which moves the street past."""
        shift = int(travelled * self.width / 40) % self.street.width & ~1
        if shift != self.shift:
            self.shift, self.still = shift, self.view(shift)
        picture = bytearray(self.still)
        for start, speed, lane, *colour in self.cars:
            self.car(picture, int(start + speed * (utc % 3600)) % self.width & ~1, lane, colour)
        self.code(picture, int(utc * 1000))
        self.text(picture, self.caption(utc))
        return bytes(picture)

    def view(self, shift):
        """The part of the panorama in sight, all three planes behind one another."""
        street, width, height = self.street, self.width, self.height
        luma = self.crop(street.luma, street.width, width, height, shift)
        blue = self.crop(street.blue, street.width // 2, width // 2, height // 2, shift // 2)
        red = self.crop(street.red, street.width // 2, width // 2, height // 2, shift // 2)
        return luma + blue + red

    @staticmethod
    def crop(plane, stride, width, height, shift):
        """Rows joined from one piece each, two where the panorama closes on itself."""
        first = min(width, stride - shift)
        view = memoryview(plane)
        if first == width:
            return b"".join(view[at : at + width] for at in range(shift, shift + height * stride, stride))
        rest = width - first
        return b"".join(
            piece for at in range(0, height * stride, stride) for piece in (view[at + shift : at + stride], view[at : at + rest])
        )

    def car(self, picture, x, lane, colour):
        width, half = self.width, self.width // 2
        wide, high = width // 10 & ~1, self.height // 14 & ~1
        top = (self.height * (22 + 3 * lane) // 32) & ~1
        fits = min(wide, width - x)
        for y in range(top, top + high):
            at = y * width + x
            picture[at : at + fits] = bytes([colour[0]]) * fits
        plane = width * self.height
        for y in range(top // 2, (top + high) // 2):
            at = plane + y * half + x // 2
            picture[at : at + fits // 2] = bytes([colour[1]]) * (fits // 2)
            at += plane // 4
            picture[at : at + fits // 2] = bytes([colour[2]]) * (fits // 2)

    def caption(self, utc):
        whole = time.gmtime(utc)
        tenth = int(utc * 10) % 10
        if self.whole_clock:
            return f"{self.label} {time.strftime('%Y-%m-%d %H:%M:%S', whole)}.{tenth}Z"
        return f"{self.label.split(' ')[-1]} {time.strftime('%H:%M:%S', whole)}.{tenth}Z"

    def text(self, luma, text):
        letters = [self.glyphs.get(letter, self.glyphs[" "]) for letter in text[: self.width // (6 * self.scale) - 2]]
        left = 2 * self.scale
        for row in range(8):
            line = b"".join(letter[row] for letter in letters)
            for repeat in range(self.scale):
                at = ((row + 1) * self.scale + repeat) * self.width + left
                luma[at : at + len(line)] = line

    def code(self, luma, utc_ms):
        payload = utc_ms.to_bytes(6, "big")
        bits = int.from_bytes(payload + crc16(payload).to_bytes(2, "big"), "big")
        cell = self.cell
        black, white = bytes([BLACK]) * cell, bytes([WHITE]) * cell
        for row in range(2):
            line = b"".join(white if bits >> (63 - row * CODE_COLUMNS - column) & 1 else black for column in range(CODE_COLUMNS))
            top = self.height - (3 - row) * cell
            for y in range(top, top + cell):
                at = y * self.width + 4 * cell
                luma[at : at + len(line)] = line
