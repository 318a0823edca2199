"""Reading just enough of H.264 (ITU-T H.264, Annex B and 7.3.2) to store it without decoding it.

Frames arrive as NAL units behind start codes and are kept as NAL units behind their length, unchanged.
"""

from dataclasses import dataclass

START_CODE = b"\x00\x00\x00\x01"
KEY, SPS, PPS = 5, 7, 8  # NAL unit types: a key picture's slice, sequence and picture parameter set
WITH_CHROMA = {100, 110, 122, 244, 44, 83, 86, 118, 128}  # profiles whose SPS tells the chroma format


@dataclass(frozen=True, slots=True)
class Picture:
    """One coded picture: `stored` is length-prefixed, the parameter sets are those it carried, if any."""

    stored: bytes
    key: bool
    sps: bytes | None = None
    pps: bytes | None = None


def picture(coded: bytes) -> Picture:
    """Turn the NAL units of one picture (each behind a four-byte start code) into what MP4 stores.

    A NAL unit never contains a start code (7.4.1.1), so splitting there is exact.
    """
    units = [unit for unit in coded.split(START_CODE) if unit]
    stored = b"".join([len(unit).to_bytes(4, "big") + unit for unit in units])
    found: dict[int, bytes] = {}
    for unit in units:
        found[unit[0] & 0x1F] = unit
    return Picture(stored, KEY in found, found.get(SPS), found.get(PPS))


def depayload(payload: bytes) -> bytes:
    """What an RTP payload brings (RFC 6184): NAL units behind start codes, or a further part of one.

    Raises ValueError for what is neither a unit, nor a part of one, nor several in one packet.
    """
    if len(payload) < 2:
        raise ValueError("too short for a NAL unit")
    kind = payload[0] & 0x1F
    if kind == 28:  # FU-A, a part
        if payload[1] & 0x80:
            return START_CODE + bytes(((payload[0] & 0xE0) | (payload[1] & 0x1F),)) + payload[2:]
        return payload[2:]
    if 1 <= kind <= 23:
        return START_CODE + payload
    if kind == 24:  # STAP-A, several
        return _aggregated(payload)
    raise ValueError(f"NAL units of type {kind} are not taken")


def _aggregated(payload: bytes) -> bytes:
    found = []
    at = 1
    while at < len(payload):
        length = int.from_bytes(payload[at : at + 2], "big")
        unit = payload[at + 2 : at + 2 + length]
        if at + 2 > len(payload) or len(unit) < length:
            raise ValueError("an aggregated NAL unit is cut off")
        found += [START_CODE, unit]
        at += 2 + length
    return b"".join(found)


class Bits:
    """Bit by bit through an SPS, emulation prevention bytes taken out (7.4.1)."""

    def __init__(self, unit: bytes) -> None:
        body = unit.replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(body, "big")
        self._left = len(body) * 8

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("the parameter set ends too early")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def golomb(self) -> int:
        """An unsigned Exp-Golomb number (9.1)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 31:
                raise ValueError("not an Exp-Golomb number")
        return (1 << zeros) - 1 + self.take(zeros)


def size(sps: bytes) -> tuple[int, int]:
    """Width and height in pixels told by a sequence parameter set (7.3.2.1.1)."""
    bits = Bits(sps[1:])
    profile = bits.take(8)
    bits.take(16)
    bits.golomb()
    chroma = _chroma(bits) if profile in WITH_CHROMA else 1
    bits.golomb()
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.take(1)
        bits.golomb(), bits.golomb()
        for _ in range(min(bits.golomb(), 255)):
            bits.golomb()
    bits.golomb()
    bits.take(1)
    width, height = bits.golomb() + 1, bits.golomb() + 1
    frames_only = bits.take(1)
    if not frames_only:
        bits.take(1)
    bits.take(1)
    left = right = top = bottom = 0
    if bits.take(1):
        left, right, top, bottom = (bits.golomb() for _ in range(4))
    unit_x = 1 if chroma in (0, 3) else 2
    unit_y = (1 if chroma != 1 else 2) * (2 - frames_only)
    pixels = width * 16 - unit_x * (left + right), height * 16 * (2 - frames_only) - unit_y * (top + bottom)
    if not all(0 < length <= 16384 for length in pixels):
        raise ValueError(f"no picture has {pixels[0]} x {pixels[1]} pixels")
    return pixels


def _chroma(bits: Bits) -> int:
    """The part of the SPS that only the richer profiles have; scaling lists are beyond what we store."""
    chroma = bits.golomb()
    if chroma == 3:
        bits.take(1)
    bits.golomb(), bits.golomb()
    bits.take(1)
    if bits.take(1):
        raise ValueError("scaling matrices are not read here")
    return chroma
