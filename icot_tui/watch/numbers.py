"""Decimal numbers read out of a buffer of text, many at once.

Eight characters are one unsigned word, lowest byte first, and eight digits become a number in
three multiplications. A number that is written in an unusual way is read by the reader of JSON.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Places = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

PADDING = 64
"""Bytes that a buffer must have before and after its text.

Of a damaged line, words are read up to 32 bytes long and a key's length beyond its end.
"""

LONGEST_FRACTION = 22
"""Digits after the dot that Python writes at most."""

_ALL = np.uint64((1 << 64) - 1)
_ZEROS = np.uint64(0x3030303030303030)
_DOTS = np.uint64(0x2E2E2E2E2E2E2E2E)
_NULL = np.uint64(int.from_bytes(b"null", "little"))
_ONES = np.uint64(0x0101010101010101)
_ABOVE_NINE = np.uint64(0x7676767676767676)
_HIGH_BITS = np.uint64(0x8080808080808080)
_POWERS = 10.0 ** np.arange(4)
_TENTHS = np.array([float(f"1e-{n}") for n in range(100)])


class Buffer:
    """Text that numbers are read from.

    Args:
        raw: the text with `PADDING` bytes on either side.
    """

    def __init__(self, raw: bytearray) -> None:
        self.text: Bytes = np.frombuffer(raw, np.uint8)
        # One gather of 32 bytes costs no more than one of a single word.
        self._windows = {
            size: np.ndarray((len(raw) - size,), f"V{size}", raw, strides=(1,))
            for size in (8, 16, 24, 32)
        }

    def words(self, places: Places, count: int) -> Words:
        """[n, count] the words from each place on, at most four."""
        return self._windows[8 * count][places].view("<u8").reshape(-1, count)

    def says(self, places: Places, what: bytes) -> Mask:
        """[n] at which of the places does it say this (at most 32 bytes)?"""
        count = -(-len(what) // 8)
        found, words = np.ones(len(places), dtype=np.bool_), self.words(places, count)
        for at in range(count):
            part = what[8 * at : 8 * at + 8]
            kept = np.uint64((1 << 8 * len(part)) - 1)
            found &= (words[:, at] & kept) == np.uint64(int.from_bytes(part, "little"))
        return found

    def whole_numbers(self, begins: Places, ends: Places) -> tuple[Places, Mask]:
        """[n] whole numbers of at most 16 digits, and which of them are such."""
        values, sound = self._digits(begins, ends)
        return values, sound & ((self.text[begins] != ord("0")) | (ends - begins == 1))

    def _digits(self, begins: Places, ends: Places) -> tuple[Places, Mask]:
        """[n] the same, leading zeros or not."""
        lengths, words = ends - begins, self.words(ends - 16, 2)
        low = _last(words[:, 1], lengths)
        bad, numbers = _not_digits(low), _number(low)
        if lengths.size and int(lengths.max()) > 8:
            high = _last(words[:, 0], np.maximum(lengths - 8, 0))
            bad, numbers = bad | _not_digits(high), numbers + _number(high) * 10**8
        return numbers, (bad == 0) & (lengths > 0) & (lengths <= 16)

    def times(self, begins: Places, ends: Places) -> tuple[Floats, Mask]:
        """[n] seconds with one to three decimals, exactly, and which of them are such."""
        decimals = np.zeros(len(ends), dtype=np.int64)
        for count in (3, 2, 1):
            decimals[self.text[ends - count - 1] == ord(".")] = count
        dots = ends - decimals - 1
        seconds, sound = self.whole_numbers(begins, dots)
        parts, fits = self._digits(dots + 1, ends)
        # Both sides of the division are exact, so that its result is the nearest double.
        scale = _POWERS[decimals]
        return (seconds * scale + parts) / scale, sound & fits & (dots - begins <= 12)

    def decimals(self, begins: Places, ends: Places) -> tuple[Floats, Mask]:
        """[n] floating-point numbers to 15 digits, null as NaN, and which are numbers at all."""
        words, text = self.words(begins, 4), self.text
        heads = words[:, 0]
        whole = (text[begins] ^ np.uint8(0x30)).astype(np.int64)
        sound = whole <= 9
        dots = _after_one_digit(text, begins, heads)
        shift: np.uint64 | Words = np.uint64(16)
        if dots is not None:  # somewhere, the dot is elsewhere
            late = np.flatnonzero(dots != 1)
            whole[late], fits = self.whole_numbers(begins[late], begins[late] + dots[late])
            sound[late] = fits & (dots[late] < 8)
            shift = (dots.astype(np.uint64) + np.uint64(1)) << np.uint64(3)
        lengths = ends - begins - (2 if dots is None else dots + 1)
        with_exponent = (text[ends - 4] == ord("e")) & (lengths > 4)
        has_exponents = bool(with_exponent.any())
        if has_exponents:
            lengths -= 4 * with_exponent
        back = np.uint64(64) - shift
        high = _first((heads >> shift) | (words[:, 1] << back), lengths)
        low = _first((words[:, 1] >> shift) | (words[:, 2] << back), np.maximum(lengths - 8, 0))
        bad = _not_digits(high) | _not_digits(low)
        if lengths.size and int(lengths.max()) > 16:
            after = (words[:, 2] >> shift) | (words[:, 3] << back)
            bad |= _not_digits(_first(after, np.maximum(lengths - 16, 0)))
        sound &= (bad == 0) & (lengths > 0) & (lengths <= LONGEST_FRACTION)
        values = whole + (_number(high) * 1e8 + _number(low)) * 1e-16
        if has_exponents:
            at = np.flatnonzero(with_exponent)
            powers, fits = self._digits(ends[at] - 2, ends[at])
            values[at] *= _TENTHS[np.clip(powers, 0, 99)]
            sound[at] &= fits & (text[ends[at] - 3] == ord("-"))
        if not sound.all():
            self._read_the_rest(values, sound, heads, begins, ends)
        return values, sound

    def _read_the_rest(
        self, values: Floats, sound: Mask, heads: Words, begins: Places, ends: Places
    ) -> None:
        """Null, and numbers that are written in an unusual way, one by one."""
        odd = np.flatnonzero(~sound)
        null = ((heads[odd] & np.uint64(0xFFFFFFFF)) == _NULL) & (ends[odd] - begins[odd] == 4)
        values[odd[null]], sound[odd[null]] = np.nan, True
        for at in odd[~null].tolist():
            try:
                value = from_json(self.text[begins[at] : ends[at]].tobytes())
            except ValueError:
                continue
            if type(value) in (int, float):
                values[at], sound[at] = value, True


def single(values: Floats) -> NDArray[np.float32]:
    """As 32-bit numbers; what is not finite, or too large for them, is NaN."""
    with np.errstate(over="ignore"):
        small = values.astype(np.float32)
    small[~np.isfinite(small)] = np.nan
    return small


def _after_one_digit(text: Bytes, begins: Places, heads: Words) -> Places | None:
    """[n] characters before each number's dot (8: none near); None if it is 1 everywhere."""
    late = text[begins + 1] != ord(".")
    if not late.any():
        return None
    places = np.ones(len(begins), dtype=np.int64)
    at = np.flatnonzero(late)
    others = heads[at] ^ _DOTS
    found = (others - _ONES) & ~others & _HIGH_BITS
    lowest = found & (~found + np.uint64(1))
    where = np.full(len(at), 8, dtype=np.int64)
    for place in range(8):
        where[lowest == np.uint64(0x80 << 8 * place)] = place
    places[at] = where
    return places


def _first(characters: Words, lengths: Places) -> Words:
    """[n] the digits of the first so many characters, the others zero."""
    others = _ALL << (lengths.view(np.uint64) << np.uint64(3))  # a shift by 64 or more leaves 0
    return (characters ^ _ZEROS) & ~others


def _last(characters: Words, lengths: Places) -> Words:
    """[n] the digits of the last so many characters, the others zero."""
    others = np.maximum(8 - lengths, 0).view(np.uint64) << np.uint64(3)
    return (characters ^ _ZEROS) & (_ALL << others)


def _not_digits(digits: Words) -> Words:
    """[n] not 0 where a character was no digit."""
    return (digits | (digits + _ABOVE_NINE)) & _HIGH_BITS


def _number(digits: Words) -> Places:
    """[n] the numbers that eight digits write."""
    pairs = (digits * np.uint64(2561)) >> np.uint64(8)
    fours = ((pairs & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(6553601)) >> np.uint64(16)
    eights = ((fours & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(42949672960001)) >> np.uint64(32)
    return eights.view(np.int64)
