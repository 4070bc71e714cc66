"""Text files of generated splits, written beside their final names and then renamed."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from icot_tui.data.splits import ExampleSource
from icot_tui.errors import UserError

NAMES = ("train", "validation", "test")


@dataclass(frozen=True)
class WrittenFile:
    """One text file: where, how many lines, how many bytes."""

    path: Path
    examples: int
    bytes: int


def write_files(source: ExampleSource, folder: Path, force: bool = False) -> dict[str, WrittenFile]:
    """Write `train.txt`, `validation.txt` and, if there is one, `test.txt`.

    Args:
        source: of the text.
        folder: made if need be.
        force: replace files that are there already, all three together: a test file left over
            from another set could hold problems that are now trained on.

    Raises:
        UserError: a file is there already, or cannot be written; then none has been changed.
    """
    paths = {name: folder / f"{name}.txt" for name in NAMES}
    for path in paths.values():
        if path.exists() and not force:
            raise UserError(
                f"{path} is there already: give --force to replace it, or another --out"
            )
    written = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as leftovers:
            beside = {}
            for name in source.names:
                path = paths[name]
                beside[name] = path.with_name(f".{path.name}.{uuid4().hex}.part")
                leftovers.callback(beside[name].unlink, missing_ok=True)
                written[name] = _write(source, name, beside[name], path)
            for name, path in paths.items():  # only now, when nothing can fail any more
                if name in beside:
                    os.replace(beside[name], path)
                else:
                    path.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"the files cannot be written to {folder} ({reason}): give another --out", exit_status=1
        ) from error
    return written


def _write(source: ExampleSource, name: str, beside: Path, path: Path) -> WrittenFile:
    examples = size = 0
    with open(beside, "wb") as file:
        for chunk in source.chunks(name):
            size += file.write(chunk.text)
            examples += chunk.text.count(b"\n")
        file.flush()
        os.fsync(file.fileno())
    return WrittenFile(path, examples, size)
