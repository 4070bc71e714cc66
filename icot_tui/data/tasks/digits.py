"""School arithmetic on arrays of digits, lowest digit first, so that no number is too long.

A number is a [w, n] uint8 array: digit i of each of n numbers.
"""

import numpy as np
from numpy.typing import NDArray

Digits = NDArray[np.uint8]


def widen(number: Digits, width: int, shift: int = 0) -> Digits:
    """[width, n] the numbers times 10^shift, filled up with zeros at the high end."""
    wide = np.zeros((width, number.shape[1]), dtype=np.uint8)
    wide[shift : shift + len(number)] = number
    return wide


def times_digit(number: Digits, digit: NDArray[np.uint8]) -> Digits:
    """[w + 1, n] each number times its own digit ([n])."""
    product = np.empty((len(number) + 1, number.shape[1]), dtype=np.uint8)
    carry = np.zeros_like(digit)
    for place, factor in enumerate(number):
        total = factor * digit + carry  # 9 * 9 + 8 fits
        carry = total // np.uint8(10)
        product[place] = total - carry * np.uint8(10)
    product[-1] = carry
    return product


def add(first: Digits, second: Digits, width: int) -> Digits:
    """[width, n] the sums; `width` must hold them."""
    result = np.empty((width, first.shape[1]), dtype=np.uint8)
    carry = np.zeros(first.shape[1], dtype=np.uint8)
    for place in range(width):
        total = carry.copy()
        for number in (first, second):
            if place < len(number):
                total += number[place]
        carry = (total >= 10).astype(np.uint8)
        result[place] = total - carry * np.uint8(10)
    assert not carry.any(), "the sum is wider than its place"
    return result


def to_int(digits: NDArray[np.uint8]) -> int:
    """The value of one number ([w])."""
    return int("".join(map(str, digits[::-1].tolist())))


def from_text(text: str) -> list[int]:
    """The digits of a written number, lowest first."""
    return [int(digit) for digit in reversed(text)]
