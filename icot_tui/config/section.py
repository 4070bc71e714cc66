"""The base of every section of the config."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

FILE: Final = "file"
"""Marks a value that is a path."""
FILE_OR_NAME: Final = "file or name"
"""Marks a value that is a path if it begins like one, or else a name on the hub."""
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """Unknown keys are errors, and a checked config never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
