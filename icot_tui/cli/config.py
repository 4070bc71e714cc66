"""`icot-tui config`: show, check and write config files."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, get_args

import typer
from typer import Argument, Option

from icot_tui import resources
from icot_tui.cli.console import print_json, print_table
from icot_tui.cli.options import Json, Overrides
from icot_tui.config.checking import check
from icot_tui.config.loading import load_config
from icot_tui.config.run import run_config_type
from icot_tui.config.sections import Section
from icot_tui.config.toml import KeyPath, leaves, read_toml, toml_key, toml_value
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.errors import UserError
from icot_tui.formatting import plain
from icot_tui.output import say

app = typer.Typer(no_args_is_help=True)

Config = Annotated[
    str,
    Argument(help="A TOML file, a sample such as demo, or a run by its folder, or else its name."),
]


@app.command(epilog="Example: icot-tui config show demo --set train.learning_rate=5e-4")
def show(config: Config, overrides: Overrides = None, json: Json = False) -> None:
    """Print every value and where it came from."""
    loaded = load_config(_file_of(config), overrides or [])
    dumped = leaves(loaded.config.model_dump())
    values = {".".join(map(str, path)): value for path, value in dumped}
    source = loaded.provenance
    if json:
        print_json({key: {"value": values[key], "source": source[key]} for key in values})
        return
    rows = [(key, toml_value(value), source[key]) for key, value in values.items()]
    if os.isatty(1):
        print_table(("key", "value", "from"), rows)
        return
    for key, value, origin in rows:
        line = f"{key} = {value}" if value else f"# {key}: not set"
        say(plain(f"{line}  # {origin}"))


def _file_of(source: str) -> str:
    """The config of a run, if there is no file or sample of that name; else the name as it is."""
    if os.path.isfile(source) or source in resources.sample_configs():
        return source
    folders = (Path(source), runs_folder() / source)
    found = (RunFolder(folder).config for folder in folders if source)
    return str(next((config for config in found if config.is_file()), source))


@app.command("check", epilog="Example: icot-tui config check my-run.toml")
def check_file(config: Config, overrides: Overrides = None, json: Json = False) -> None:
    """Check a config; an error names the file, line and key."""
    loaded = load_config(_file_of(config), overrides or [])
    if json:
        print_json({"path": loaded.path, "name": loaded.config.name, "ok": True})
    else:
        say(plain(f"{loaded.path} is valid: run '{loaded.config.name}'"))


@app.command(epilog="Example: icot-tui config new my-run --from mult-3x3-cpu")
def new(
    name: Annotated[str, Argument(help="Name of the run; writes NAME.toml.")],
    sample: Annotated[
        str, Option("--from", metavar="SAMPLE", help="The sample to start from.")
    ] = "demo",
) -> None:
    """Write a config file with every key explained, based on a sample."""
    samples = resources.sample_configs()
    if sample not in samples:
        raise UserError(f"there is no sample '{sample}': choose among {', '.join(samples)}")
    raw, _ = read_toml(samples[sample])
    raw["name"] = name = name.removesuffix(".toml")
    config = check(run_config_type(), raw, {}, f"config new {name}")
    lines = _explained(config, {path for path, _ in leaves(raw)})
    path = Path(f"{name}.toml")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write("\n".join(lines).lstrip("\n") + "\n")
    except FileExistsError as error:
        raise UserError(f"{path} already exists: choose another name, or remove it") from error
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    say(f"wrote {path}; train it with: icot-tui train {path}")


def _explained(
    section: Section, given: set[KeyPath], path: KeyPath = (), there: bool = True
) -> Iterator[str]:
    """A section and its subsections as TOML, each key below its explanation.

    Keys not in `given` have their defaults and are commented out; of a section that is not `there`,
    all are.
    """
    if path:
        yield from ("", f"# {(type(section).__doc__ or '').splitlines()[0]}")
        yield f"{'' if there else '#'}[{'.'.join(map(str, path))}]"
    values = section.model_dump()
    inner = {name: value for name, value in section if isinstance(value, Section)}
    absent = dict(_absent(section))
    for name, field in type(section).model_fields.items():
        if name in inner or name in absent:
            continue
        key = (*path, name)
        active = any(known[: len(key)] == key for known in given)
        yield from ("", f"# {field.description}")
        yield f"{'' if active else '#'}{toml_key(name)} = {toml_value(values.get(name))}".rstrip()
    for name, value in inner.items():
        yield from _explained(value, given, (*path, name), there)
    for name, value in absent.items():
        yield from _explained(value, given, (*path, name), False)


def _absent(section: Section) -> Iterator[tuple[str, Section]]:
    """Optional sections that are missing, with their defaults."""
    for name, field in type(section).model_fields.items():
        for kind in get_args(field.annotation):
            is_section = isinstance(kind, type) and issubclass(kind, Section)
            if is_section and getattr(section, name, None) is None:
                yield name, kind.model_construct()
