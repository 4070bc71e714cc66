"""TOML files and `--set` overrides become one checked RunConfig, and a RunConfig becomes TOML.

Every mistake is told as one sentence that says where the value came from, what is wrong, and what
would be right. What would be right is read from the models' JSON schema, so it can't be out of
date.
"""

import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import BaseModel, ValidationError

from icot_tui import resources
from icot_tui.config.sections import RunConfig
from icot_tui.errors import UserError

KeyPath = tuple[str | int, ...]
Table = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)

DEFAULT = "default"
OVERRIDE = "--set"

_FILES = (("data", "train"), ("data", "validation"))
_FILES_OR_HUB_NAMES = (
    ("data", "tokenizer"),
    ("model", "pretrained"),
    ("distillation", "from_teacher"),
    ("distillation", "from_student"),
    ("distillation", "from_emulator"),
)


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
    config = check(RunConfig, raw, origins, label)
    bundled = path in resources.sample_configs().values()
    folder = Path.cwd() if bundled else path.absolute().parent
    config = _with_absolute_paths(config, origins, folder)
    return LoadedConfig(config, _provenance(config, raw, origins), path)


def find_config(source: str | Path) -> Path:
    """Path of a config file, or of the sample of that name.

    Raises:
        UserError: there is neither.
    """
    samples = resources.sample_configs()
    path = Path(source)
    if path.is_file():
        return path
    if str(source) in samples:
        return samples[str(source)]
    alike = get_close_matches(path.stem, samples, n=1)
    hint = f"did you mean the sample {alike[0]}" if alike else f"samples: {', '.join(samples)}"
    raise UserError(f"there is no config file {source}, nor a sample of that name; {hint}")


def dump_toml(config: BaseModel) -> str:
    """The whole config as TOML that loads back to an identical one; empty values are left out."""
    return tomli_w.dumps(config.model_dump(exclude_none=True))


def toml_value(value: Any) -> str:
    """One value as TOML on one line; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, dict):
        pairs = (f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items())
        return "{ " + ", ".join(pairs) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return tomli_w.dumps({"v": value}).removeprefix("v = ").strip()


def toml_key(key: str) -> str:
    """A key as TOML, in quotes where it needs them."""
    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")


def leaves(table: Table, prefix: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Each value of nested tables with its path; lists and empty tables count as values."""
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*prefix, key))
        else:
            yield (*prefix, key), value


# --- reading ---


def read_toml(path: Path) -> tuple[Table, dict[KeyPath, int]]:
    """The file's content, and the line of each of its keys.

    Raises:
        UserError: it can't be read or is not TOML.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        return tomllib.loads(text), key_lines(text)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file in UTF-8; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        place = re.fullmatch(r"(.*?) \(at (?:line (\d+), column (\d+)|.*)\)", str(error), re.DOTALL)
        what, line, column = place.groups() if place else (str(error), None, None)
        where = f"{path}:{line or text.count(chr(10)) + 1}"
        at = f" at column {column}" if column else ""
        advice = "; text needs double quotes" if what == "Invalid value" else ""
        what = what[:1].lower() + what[1:]
        raise UserError(f"{where}: this is not TOML{at}: {what}{advice}") from error


def key_lines(text: str) -> dict[KeyPath, int]:
    """Line of each key and table of a valid TOML text.

    Lines are handed to tomllib until they make a statement, so whatever TOML allows (dotted keys,
    inline tables, values over several lines) is placed without a grammar of our own.
    """
    lines: dict[KeyPath, int] = {}
    entries: Counter[KeyPath] = Counter()
    table: KeyPath = ()
    statement, start = "", 1
    for number, line in enumerate(text.split("\n"), start=1):
        statement += line + "\n"
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if statement.lstrip().startswith("["):
            table = _table_of_header(parsed, entries)
            for depth in range(1, len(table) + 1):
                lines.setdefault(table[:depth], start)
        else:
            for path in _paths(parsed):
                lines.setdefault(table + path, start)
        statement, start = "", number + 1
    return lines


def _table_of_header(parsed: Table, entries: Counter[KeyPath]) -> KeyPath:
    """Path of `[a.b]` or `[[a.b]]`; `entries` counts the entries of each array of tables."""
    table: KeyPath = ()
    node: Any = parsed
    while node:
        key, node = next(iter(node.items()))
        table = (*table, key)
        if isinstance(node, list):
            entries[table] += 1
            node = node[0]
        if table in entries:
            table = (*table, entries[table] - 1)
    return table


def _paths(value: Any, prefix: KeyPath = ()) -> Iterator[KeyPath]:
    children: Any = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    for key, child in children:
        yield (*prefix, key)
        yield from _paths(child, (*prefix, key))


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
    for section, key in (*_FILES, *_FILES_OR_HUB_NAMES):
        owner = getattr(config, section)
        value = None if owner is None else getattr(owner, key)
        is_file = (section, key) in _FILES or str(value).startswith(("./", "../", "~/"))
        if value is None or not is_file:
            continue
        base = Path.cwd() if _origin(origins, (section, key)) == OVERRIDE else folder
        absolute = os.path.abspath(base / Path(value).expanduser())
        config = config.model_copy(update={section: owner.model_copy(update={key: absolute})})
    return config


def _provenance(config: RunConfig, raw: Table, origins: Mapping[KeyPath, str]) -> dict[str, str]:
    given = {path for path, _ in leaves(raw)}
    return {
        ".".join(map(str, path)): (_origin(origins, path) or DEFAULT) if path in given else DEFAULT
        for path, _ in leaves(config.model_dump())
    }


def _origin(origins: Mapping[KeyPath, str], path: KeyPath) -> str | None:
    """Where a value came from: its own line, or that of the nearest table around it."""
    around = (path[:length] for length in range(len(path), 0, -1))
    return next((origins[part] for part in around if part in origins), None)


# --- checking ---


def check(model: type[Model], raw: Table, origins: Mapping[KeyPath, str], label: str) -> Model:
    """The raw tables as a model; `label` names the whole where no key has an origin.

    Raises:
        UserError: the first mistake, with its place, and how many more there are.
    """
    try:
        return model.model_validate(raw, strict=True)
    except ValidationError as error:
        schema = model.model_json_schema()
        mistakes: dict[KeyPath, str] = {}
        # A misspelt key first: what is missing elsewhere is often its consequence.
        for item in sorted(error.errors(), key=lambda item: item["type"] != "extra_forbidden"):
            key = _known_part(schema, item["loc"])
            if item["type"] == "extra_forbidden":
                key = (*key, item["loc"][-1])
            mistakes.setdefault(key, _sentence(schema, key, item))
        key, sentence = next(iter(mistakes.items()))
        more = f" (and {len(mistakes) - 1} more to mend)" if len(mistakes) > 1 else ""
        raise UserError(f"{_origin(origins, key) or label}: {sentence}{more}") from error


def _sentence(schema: Table, key: KeyPath, item: Mapping[str, Any]) -> str:
    if item["type"] == "extra_forbidden":
        return _unknown(schema, key, item["input"])
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    right = _schema_at(schema, key) or {}
    if item["type"] == "missing":
        is_section = right.get("type") == "object"
        return (
            f"the section [{_dotted(key)}] is missing"
            if is_section
            else (f"{_dotted(key)} is missing; it must be {_allowed(right)}")
        )
    value = "a table" if isinstance(item["input"], dict) else toml_value(item["input"])
    value = value if len(value) <= 60 else value[:57] + "..."
    return f"{_dotted(key)} must be {_allowed(right)}, not {value}"


def _unknown(schema: Table, key: KeyPath, value: Any) -> str:
    """`unknown key a.b; did you mean a.c?`, from the same section if there is one alike."""
    what = f"section [{_dotted(key)}]" if isinstance(value, dict) else f"key {_dotted(key)}"
    name, section = str(key[-1]), key[:-1]
    known = [*_keys(schema)]
    here = [path for path in known if path[:-1] == section]
    for candidates in (here, known):
        names = {str(path[-1]) for path in candidates}
        if alike := get_close_matches(name, names, n=1):
            same = [path for path in candidates if path[-1] == alike[0]]
            depth = min(map(len, same))  # a section before the sections within sections
            right = (_dotted(path) for path in same if len(path) == depth)
            return f"unknown {what}; did you mean {' or '.join(right)}?"
    return f"unknown {what}; the keys here are {', '.join(str(path[-1]) for path in here)}"


def _keys(schema: Table, prefix: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key that the schema knows, sections before what is in them."""
    for name in (_schema_at(schema, prefix) or {}).get("properties", {}):
        yield (*prefix, name)
        yield from _keys(schema, (*prefix, name))


def _known_part(schema: Table, path: KeyPath) -> KeyPath:
    """The path without what the schema doesn't know (pydantic adds the tried types of unions)."""
    lengths = range(len(path), 0, -1)
    return next((path[:n] for n in lengths if _schema_at(schema, path[:n]) is not None), ())


def _schema_at(schema: Table, path: KeyPath) -> Table | None:
    node = schema
    for part in path:
        inner = (
            node.get("items")
            if isinstance(part, int)
            else node.get("properties", {}).get(part, node.get("additionalProperties"))
        )
        if not isinstance(inner, dict):
            return None
        node = schema["$defs"][inner["$ref"].rsplit("/", 1)[-1]] if "$ref" in inner else inner
    return node


def _allowed(schema: Table) -> str:
    """What a value may be, in words: `a whole number of at least 1`."""
    if "enum" in schema:
        return "one of " + ", ".join(map(toml_value, schema["enum"]))
    if "anyOf" in schema:
        options = (_allowed(option) for option in schema["anyOf"] if option["type"] != "null")
        return " or ".join(dict.fromkeys(options))
    words = {
        "integer": "a whole number",
        "number": "a number",
        "string": "text",
        "boolean": "true or false",
        "array": "a list",
    }
    return words.get(schema.get("type", ""), "a table") + _range(schema)


def _range(schema: Table) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f" from {schema['minimum']:g} to {schema['maximum']:g}"
    if "minimum" in schema:
        return f" of at least {schema['minimum']:g}"
    if "exclusiveMinimum" in schema:
        return f" above {schema['exclusiveMinimum']:g}"
    if "pattern" in schema:
        return f" that matches {schema['pattern']}"
    return ""


def _dotted(path: KeyPath) -> str:
    """`curriculum.stages[0].steps`"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)[1:]
