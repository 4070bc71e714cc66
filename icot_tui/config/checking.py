"""Raw tables become checked models, or one sentence: where, what is wrong, what would be right.

What would be right is read from the models' JSON schema, so it can't be out of date.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from icot_tui.config.sections import LARGEST
from icot_tui.config.toml import KeyPath, Table, toml_value
from icot_tui.errors import UserError

Model = TypeVar("Model", bound=BaseModel)


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
        raise UserError(f"{origin_of(origins, key) or label}: {sentence}{more}") from error


def _sentence(schema: Table, key: KeyPath, item: Mapping[str, Any]) -> str:
    if item["type"] == "extra_forbidden":
        return _unknown(schema, key, item["input"])
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    right = _schema_at(schema, key) or {}
    if item["type"] == "missing":
        if right.get("type") == "object":
            return f"the section [{_dotted(key)}] is missing"
        return f"{_dotted(key)} is missing; it must be {_allowed(right)}"
    value = "a table" if isinstance(item["input"], dict) else toml_value(item["input"])
    value = value if len(value) <= 60 else value[:57] + "..."
    if item["type"] == "less_than_equal" and item["ctx"]["le"] == LARGEST:
        return f"{_dotted(key)} must be at most {LARGEST:g}, not {value}"
    return f"{_dotted(key)} must be {_allowed(right)}, not {value}"


def _unknown(schema: Table, key: KeyPath, value: Any) -> str:
    """`unknown key a.b; did you mean a.c?`, from the same section if there is one alike."""
    what = f"section [{_dotted(key)}]" if isinstance(value, dict) else f"key {_dotted(key)}"
    name, section = str(key[-1]), key[:-1]
    known = list(_keys(schema))
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
        node = _resolved(schema, inner)
    return node


def _resolved(schema: Table, node: Table) -> Table:
    """What a reference stands for, or that of a section which may be missing."""
    for option in (node, *node.get("anyOf", [])):
        if "$ref" in option:
            section: Table = schema["$defs"][option["$ref"].rsplit("/", 1)[-1]]
            return section
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
    if "minimum" in schema and schema.get("maximum", LARGEST) != LARGEST:
        least, most = (
            str(bound) if isinstance(bound, int) else f"{bound:g}"
            for bound in (schema["minimum"], schema["maximum"])
        )
        return f" from {least} to {most}"
    if "minimum" in schema and "exclusiveMaximum" in schema:
        return f" from {schema['minimum']:g} to below {schema['exclusiveMaximum']:g}"
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


def origin_of(origins: Mapping[KeyPath, str], path: KeyPath) -> str | None:
    """Where a value came from: its own line, or that of the nearest table around it."""
    around = (path[:length] for length in range(len(path), 0, -1))
    return next((origins[part] for part in around if part in origins), None)
