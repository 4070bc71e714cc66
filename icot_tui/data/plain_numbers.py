"""Numbers of columnar files, Parquet and datasets, as texts of them are read: 0.1 as 0.1.

Python has neither 32-bit floats nor decimals with a fixed scale: 0.1 of a 32-bit column becomes the
float 0.10000000149011612, and nought with eighteen places the text 0E-18.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pyarrow import Schema

VERSION = "plain numbers"
"""Part of the identity of a source with such columns; to be changed with what is made of them."""
Columns = dict[str, Callable[[Any], Any]]


def plain_numbers(schema: "Schema") -> Columns:
    """What to make of the values of some columns, by their names; others stay as they are."""
    from pyarrow import types

    found: Columns = {}
    for field in schema:
        if types.is_float16(field.type):
            found[field.name] = partial(_shortest, np.float16)
        elif types.is_float32(field.type):
            found[field.name] = partial(_shortest, np.float32)
        elif types.is_decimal(field.type):
            found[field.name] = _decimal
    return found


def _shortest(kind: type[np.floating[Any]], value: Any) -> float | None:
    """The float that is written as one of that kind, with the fewest digits that tell it apart."""
    return None if value is None else float(str(kind(value)))


def _decimal(value: Any) -> str | None:
    return None if value is None else format(value, "f")
