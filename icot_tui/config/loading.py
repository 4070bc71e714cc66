"""TOML files and `--set` overrides become one checked RunConfig, and a RunConfig becomes TOML.

Every mistake is reported in one sentence that says where the value came from, what is wrong, and
what would be right (see `checking`).
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, get_args

import tomli_w
from pydantic import BaseModel

from icot_tui import resources
from icot_tui.config.checking import check, origin_of
from icot_tui.config.run import RunConfig, run_config_type
from icot_tui.config.sections import FILE, FILE_OR_NAME, Section
from icot_tui.config.toml import LARGEST, KeyPath, Table, leaves, read_toml
from icot_tui.errors import UserError
from icot_tui.files import kind_of, read_file

DEFAULT = "default"
OVERRIDE = "--set"


@dataclass(frozen=True)
class LoadedConfig:
    """A checked config, and where each of its values came from.

    provenance  for each value by its dotted key: "default", "file:line" or "--set"
    path        the file that was read
    """

    config: RunConfig
    provenance: dict[str, str]
    path: Path


def load_config(source: str | Path, overrides: Sequence[str] = ()) -> LoadedConfig:
    """Read a TOML file or a sample by its name, apply `section.key=value` overrides, and check.

    Relative paths in a file are relative to its folder; those in a sample that comes with the
    package, and those in overrides, to the current folder.

    Raises:
        UserError: no such file, not TOML, an unknown key, a wrong value.
    """
    path = find_config(source)
    raw, lines = read_toml(path)
    label = str(path) if path == Path(source) else path.name
    origins = {key: f"{label}:{line}" for key, line in lines.items()}
    for override in overrides:
        key, value = parse_override(override)
        _place(raw, key, value)
        origins = {old: where for old, where in origins.items() if old[: len(key)] != key}
        if value is not None:
            origins[key] = OVERRIDE
    config = check(run_config_type(), raw, origins, label)
    bundled = path in resources.sample_configs().values()
    folder = Path.cwd() if bundled else path.absolute().parent
    config = _with_absolute_paths(config, origins, folder)
    return LoadedConfig(config, _provenance(config, raw, origins), path)


def load_resolved(path: Path) -> RunConfig:
    """The config in a run's folder: as `load_config`, in a third of the time where it is right.

    Raises:
        UserError: as of `load_config`.
    """
    try:
        raw = tomllib.loads(read_file(path, LARGEST).decode())
        config = run_config_type().model_validate(raw, strict=True)
    except (OSError, ValueError, RecursionError):
        return load_config(path).config
    return _with_absolute_paths(config, {}, path.absolute().parent)


def find_config(source: str | Path) -> Path:
    """Path of a config file, or of the sample of that name; a UserError if there is neither."""
    samples = resources.sample_configs()
    path = Path(source)
    if path.is_file():
        return path
    if str(source) in samples:
        return samples[str(source)]
    if path.suffix and path.exists():
        raise UserError(f"{path} is {kind_of(path.stat().st_mode)}, not a file: name a config file")
    alike = get_close_matches(path.stem, samples, n=1)
    hint = f"did you mean the sample {alike[0]}?" if alike else f"samples: {', '.join(samples)}"
    raise UserError(f"there is no config file {source}, nor a sample of that name; {hint}")


def dump_toml(config: BaseModel) -> str:
    """The whole config as TOML that loads back to an identical one; empty values are left out."""
    return tomli_w.dumps(config.model_dump(exclude_none=True))


def parse_override(text: str) -> tuple[tuple[str, ...], Any]:
    """`section.key=value` as path and value; TOML, or else text; nothing puts back the default.

    Raises:
        UserError: not of that form.
    """
    dotted, equals, written = (part.strip() for part in text.partition("="))
    path = tuple(dotted.split("."))
    if not equals or not all(path):
        raise UserError(f"--set '{text}' is not of the form section.key=value")
    if not written:
        return path, None
    try:
        parsed = tomllib.loads(f"value = {written}")
    except RecursionError as error:
        raise UserError(f"--set {dotted}: the value is nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        if written[0] in "\"'[{":
            raise UserError(f"--set {dotted}: the value {written} is not TOML") from error
        parsed = {}
    value = parsed.get("value", written) if len(parsed) == 1 else written
    if not isinstance(value, (bool, int, float, str, list, dict)):
        value = written
    try:
        str(value).encode()
    except UnicodeEncodeError as error:
        raise UserError(f"--set {dotted}: the value is not UTF-8 text") from error
    return path, value


def _place(table: Table, path: tuple[str, ...], value: Any) -> None:
    """Set a value in nested tables, or remove it if it is None."""
    *sections, key = path
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise UserError(f"--set {'.'.join(path)}: {section} is not a section")
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value


def _with_absolute_paths(
    config: RunConfig, origins: Mapping[KeyPath, str], folder: Path
) -> RunConfig:
    for section, key in file_keys():
        owner = getattr(config, section)
        value = None if owner is None else getattr(owner, key)
        if value is None or not is_file(section, key, str(value)):
            continue
        base = Path.cwd() if origin_of(origins, (section, key)) == OVERRIDE else folder
        absolute = absolute_path(value, base)
        config = config.model_copy(update={section: owner.model_copy(update={key: absolute})})
    return config


def without_folders(config: RunConfig) -> RunConfig:
    """The config with the last part alone of every path in it: it tells no machine's folders."""
    for section, key in file_keys():
        owner = getattr(config, section)
        value = None if owner is None else getattr(owner, key)
        if value is not None and (value.startswith("/") or is_file(section, key, value)):
            named = owner.model_copy(update={key: Path(value).name})
            config = config.model_copy(update={section: named})
    return config


def with_folders_of(config: RunConfig, whole: RunConfig) -> RunConfig:
    """A config `without_folders`, with those of another one wherever both name the same file."""
    for section, key in file_keys():
        owner, other = getattr(config, section), getattr(whole, section)
        if owner is None or other is None:
            continue
        name, path = getattr(owner, key), getattr(other, key)
        if name is not None and path is not None and Path(path).name == name:
            named = owner.model_copy(update={key: path})
            config = config.model_copy(update={section: named})
    return config


@cache
def file_keys() -> dict[tuple[str, str], str]:
    """The keys of sections whose values are files, or names on the hub: FILE or FILE_OR_NAME."""
    return {
        (name, key): mark
        for name, field in run_config_type().model_fields.items()
        for kind in get_args(field.annotation) or (field.annotation,)
        if isinstance(kind, type) and issubclass(kind, Section)
        for key, inner in kind.model_fields.items()
        for mark in inner.metadata
        if mark in (FILE, FILE_OR_NAME)
    }


def is_file(section: str, key: str, value: str) -> bool:
    """Is the value of one of `file_keys` a path, not a name on the hub nor a share of the data?"""
    if file_keys()[section, key] == FILE:
        return not value.startswith("hub:") and not (section == "data" and value.endswith("%"))
    return value.startswith(("./", "../", "~/"))


def absolute_path(value: str, folder: Path) -> str:
    """A path as it is written in a file of this folder, made absolute."""
    return os.path.abspath(folder / Path(value).expanduser())


def _provenance(config: RunConfig, raw: Table, origins: Mapping[KeyPath, str]) -> dict[str, str]:
    given = {path for path, _ in leaves(raw)}
    return {
        ".".join(map(str, path)): (origin_of(origins, path) if path in given else None) or DEFAULT
        for path, _ in leaves(config.model_dump())
    }
