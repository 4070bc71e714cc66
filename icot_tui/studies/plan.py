"""Turns a study, a scale and seeds into trials with names, complete configs and digests."""

import hashlib
import json
import os
import re
import shlex
from collections.abc import Container, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, get_args

from icot_tui.config import (
    DataConfig,
    RunConfig,
    default_separator,
    known_methods,
    load_config,
)
from icot_tui.config.checking import check
from icot_tui.config.loading import absolute_path, file_keys, is_file
from icot_tui.config.run import run_config_type
from icot_tui.config.sections import ColumnsConfig
from icot_tui.config.toml import KeyPath, leaves, toml_value
from icot_tui.data.splits import open_source
from icot_tui.errors import UserError
from icot_tui.studies.spec import Changes, LoadedStudy, ScaleConfig

BASE, DEFAULTS = "base", "defaults"
Labels = tuple[tuple[str, str], ...]
MAX_NAME_LENGTH = 80  # of a run's name


@dataclass(frozen=True)
class Trial:
    """One run that a study needs.

    labels    (axis, value) for each axis
    settings  values of --set that make `icot-tui train BASE` the same training
    digest    of the config without name and description: the same for the same training
    """

    name: str
    labels: Labels
    seed: int
    base: str
    settings: tuple[str, ...]
    config: RunConfig
    digest: str

    @property
    def command(self) -> str:
        """A self-contained command line that trains it."""
        settings = (part for setting in self.settings for part in ("--set", setting))
        return shlex.join(["icot-tui", "train", self.base, "--name", self.name, *settings])

    @property
    def title(self) -> str:
        return title_of([value for _, value in self.labels], self.seed)

    def as_json(self) -> dict[str, Any]:
        """What identifies it, and the command that trains it."""
        return {
            "name": self.name,
            "labels": dict(self.labels),
            "seed": self.seed,
            "digest": self.digest,
            "command": self.command,
        }


@dataclass(frozen=True)
class Plan:
    """All trials of a study at a scale; `skipped` has a sentence on each that cannot be."""

    study: LoadedStudy
    scale: str
    trials: tuple[Trial, ...]
    skipped: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.study.config.name}-{self.scale}"

    @property
    def other_data(self) -> dict[str, Changes]:
        """What is changed of the data section to ask about other data, by its name."""
        return {**self.study.config.data, **self.study.scale(self.scale).data}


def make_plan(study: LoadedStudy, scale: str, seeds: int | None = None) -> Plan:
    """The trials, in the order of the file; the first axis changes slowest, the seed fastest.

    Args:
        seeds: how many seeds, instead of those of the scale.

    Raises:
        UserError: a config is wrong; the sentence names file, line and key.
    """
    size = study.scale(scale)
    axes = merged(study.config.vary, size.vary)
    for axis, choices in axes.items():
        if not choices:
            where = _line(study, ("vary", axis))
            raise UserError(f'{where}: axis {axis} needs a value, such as [vary.{axis}."VALUE"]')
    trials: list[Trial] = []
    skipped: dict[str, None] = {}
    for values in product(*axes.values()):
        labels = tuple(zip(axes, values, strict=True))
        draft = _Draft(study, scale, size, labels)
        method = draft.raw.get("method", {})
        name = method.get("name") if isinstance(method, dict) else None
        if isinstance(name, str) and name not in known_methods():
            what = ", ".join(values) or study.config.name
            skipped[f"{what}: left out, this version does not have the method '{name}'"] = None
            continue
        trials += [draft.trial(seed) for seed in seeds_of(size, seeds)]
    _distinct(study, trials)
    plan = Plan(study, scale, tuple(trials), tuple(skipped))
    _check_other_data(plan)
    return plan


def seeds_of(size: ScaleConfig, count: int | None) -> list[int]:
    """The seeds of a scale, or `count` seeds: its own first, then the next numbers."""
    if count is None:
        return list(size.seeds)
    more = (seed for seed in range(max(size.seeds) + 1 + count) if seed not in size.seeds)
    return [*size.seeds, *more][:count]


def title_of(values: Iterable[str], seed: int) -> str:
    """A trial's values and seed in words."""
    return ", ".join([*values, f"seed {seed}"])


def digest_of(config: RunConfig) -> str:
    """Identifies what is trained: everything in the config but name and description."""
    empty = {name for name in known_methods() if getattr(config, name, None) is None}
    empty.discard("distillation")  # digests have always had this one, empty or not
    content = _even(config.model_dump(exclude={"name", "description"} | empty))
    del content["evaluation"]["compare"]  # decided when the run begins, and trains nothing
    del content["evaluation"]["probe_before_removal"]  # likewise
    del content["data"]["max_overlap"]
    own, separator = default_separator(config), content["data"]["separator"]
    if own and separator == "eos":  # what earlier versions had, and did not say
        content["data"]["separator"] = None
    elif separator is None:
        content["data"]["separator"] = own
    newer = {
        ("data", "test"): None,
        ("data", "separator"): None,
        ("data", "columns"): ColumnsConfig().model_dump(),
        ("data", "step_end"): None,
        ("data", "train_options"): {},
        ("data", "ood_options"): {},
        ("data", "ood_examples"): 1000,
        ("curriculum", "unit"): "token",
        ("curriculum", "remove_share"): None,
        ("curriculum", "gate_rows"): "all",
        ("model", "vocabulary"): "all",
        ("train", "split_by_length"): None,
        ("train", "optimizer"): "adamw",
        ("train", "muon_learning_rate"): None,
    }
    for (section, key), default in newer.items():
        if content[section][key] == default:  # digests of earlier versions had no such key
            del content[section][key]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


def _even(value: Any) -> Any:
    """Whole floats as integers: 8 becomes 8.0 on its way through a file, and is the same."""
    if isinstance(value, dict):
        return {key: _even(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_even(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def merged(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables with changes; lists are replaced, but those of `defaults` add up."""
    result = dict(deepcopy(table))
    for key, value in changes.items():
        before = result.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            result[key] = merged(before, value)
        elif key == DEFAULTS and isinstance(before, list) and isinstance(value, list):
            result[key] = [*before, *value]
        else:
            result[key] = deepcopy(value)
    return result


def other_data(data: DataConfig, changes: Changes) -> dict[str, Any]:
    """A run's data section, changed so that its held-out examples are others; still to be checked.

    The task's options go with the task.
    """
    own = data.model_dump(exclude_unset=True) | {"test_examples": 0, "train_examples": 1}
    for key in ("train_options", "ood_options"):
        own.pop(key, None)
    if "task" in changes:
        own.pop("options", None)
    return merged(own, changes)


# --- drafts ---


class _Draft:
    """A trial's raw config before its seed.

    Base, then the scale's changes, then those of each value, the scale's own last.
    """

    def __init__(self, study: LoadedStudy, scale: str, size: ScaleConfig, labels: Labels) -> None:
        sources: list[tuple[KeyPath, Changes]] = [(("scales", scale, "changes"), size.changes)]
        for axis, value in labels:
            sources.append((("vary", axis, value), study.config.vary.get(axis, {}).get(value, {})))
            where = ("scales", scale, "vary", axis, value)
            sources.append((where, size.vary.get(axis, {}).get(value, {})))
        base = next((c[BASE] for _, c in reversed(sources) if BASE in c), size.base)
        if not isinstance(base, str):
            raise UserError(f"{study.path}: {BASE} must be the name of a config, not {base!r}")
        files = (study.folder / base, Path(base).absolute())
        self.base = next((str(file) for file in files if file.is_file()), base)
        said = load_config(self.base).config.model_dump(exclude_unset=True, exclude_none=True)
        self.base_raw = {key: v for key, v in said.items() if key not in ("name", "description")}
        self.raw, self.origins = deepcopy(self.base_raw), dict[KeyPath, str]()
        for prefix, changes in sources:
            own = {key: value for key, value in changes.items() if key not in (BASE, DEFAULTS)}
            _put_back(self.raw, changes.get(DEFAULTS, []), study, prefix)
            for path, _ in leaves(own):
                line = _line(study, prefix + path)
                self.origins |= {path[:depth]: line for depth in range(1, len(path) + 1)}
            self.raw = merged(self.raw, own)
        _make_files_absolute(self.raw, self.origins, study.folder)
        self._labels, self._study = labels, study
        self._front = "-".join([study.config.name, scale, *(slug(value) for _, value in labels)])

    def trial(self, seed: int) -> Trial:
        """The trial with a seed."""
        end = f"-s{seed}"
        name = self._front[: MAX_NAME_LENGTH - len(end)].rstrip("-") + end
        title = title_of([value for _, value in self._labels], seed)
        raw = self.raw | {"seed": seed}
        described = {"name": name, "description": f"{self._study.config.title}: {title}"}
        where = f"{self._study.path}, trial '{title}'"
        config = check(run_config_type(), raw | described, self.origins, where)
        return Trial(
            name=name,
            labels=self._labels,
            seed=seed,
            base=self.base,
            settings=tuple(_settings(self.base_raw, raw)),
            config=config,
            digest=digest_of(config),
        )


def _put_back(raw: dict[str, Any], keys: object, study: LoadedStudy, prefix: KeyPath) -> None:
    """Take keys out, so that their defaults hold."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        where = _line(study, (*prefix, DEFAULTS))
        raise UserError(f'{where}: defaults must be a list of keys such as "train.epochs"')
    for dotted in keys:
        if not _known(dotted):
            where = _line(study, (*prefix, DEFAULTS))
            raise UserError(f"{where}: defaults names '{dotted}', which is no key of a config")
        *sections, key = dotted.split(".")
        table: Any = raw
        for section in sections:
            table = table.get(section) if isinstance(table, dict) else None
        if isinstance(table, dict):
            table.pop(key, None)


def _known(dotted: str) -> bool:
    """Does a config have such a key?"""
    section, _, key = dotted.partition(".")
    field = run_config_type().model_fields.get(section)
    if field is None or not key:
        return field is not None
    options = get_args(field.annotation) or (field.annotation,)
    fields = (getattr(option, "model_fields", {}) for option in options)
    return any(key.partition(".")[0] in names for names in fields)


def _make_files_absolute(raw: dict[str, Any], named: Container[KeyPath], folder: Path) -> None:
    """Files and folders that the study itself names are relative to its folder."""
    for section, key in file_keys():
        table = raw.get(section)
        if isinstance(table, dict) and (section, key) in named:
            value = table.get(key)
            if isinstance(value, str) and is_file(section, key, value):
                table[key] = absolute_path(value, folder)


def _line(study: LoadedStudy, path: KeyPath) -> str:
    """File and line of a key, or of the nearest table around it."""
    around = (path[:length] for length in range(len(path), 0, -1))
    line = next((study.lines[part] for part in around if part in study.lines), None)
    return f"{study.path}" + ("" if line is None else f":{line}")


def _settings(base: dict[str, Any], raw: dict[str, Any]) -> Iterator[str]:
    """The `--set` values that make one config of the other, in whatever folder they are used."""
    before, after = dict(leaves(base)), dict(leaves(raw))
    for path in sorted(before.keys() - after.keys()):
        if not any(other[: len(path)] == path for other in after):
            yield ".".join(map(str, path)) + "="
    for path, value in after.items():
        elsewhere_another = path in file_keys() and os.path.isabs(str(value))
        if elsewhere_another or path not in before or before[path] != value:
            yield ".".join(map(str, path)) + "=" + toml_value(value)


def slug(text: str) -> str:
    """Text as a part of a folder's name."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower() or "x"


def _distinct(study: LoadedStudy, trials: Iterable[Trial]) -> None:
    seen: dict[str, Trial] = {}
    for trial in trials:
        if (other := seen.setdefault(trial.name.lower(), trial)) is not trial:
            raise UserError(
                f"{study.path}: '{other.title}' and '{trial.title}' would be runs of the same "
                f"name, {trial.name}: call one of the values something else"
            )


def _check_other_data(plan: Plan) -> None:
    """See now what would be wrong with other data once everything is trained."""
    study = plan.study
    sections = {trial.config.data.model_dump_json(): trial.config.data for trial in plan.trials}
    for name, changes in plan.other_data.items():
        own = study.scale(plan.scale).data
        prefix = (*(("scales", plan.scale) if name in own else ()), "data", name)
        origins = {path: _line(study, prefix + path) for path, _ in leaves(changes)}
        for data in sections.values():
            checked = check(DataConfig, other_data(data, changes), origins, _line(study, prefix))
            try:
                open_source(checked)
            except UserError as error:
                raise UserError(f"{_line(study, prefix)}: {error}") from error
