"""What a study is: a short TOML that says what varies, what is reported, and how large it is.

    name, title, source        what it reruns
    [vary.AXIS."VALUE"]        changes to the config, by their names; every combination is a trial
    [scales.cpu]               the config it starts from, its seeds, its own changes and values
    [report], [plot]           what is measured and drawn

`[scales.cpu.vary.AXIS."VALUE"]` adds to the value of that name, or adds a value. In changes, `base`
names another config to start from and `defaults` lists keys that are put back to their defaults.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from icot_tui import resources
from icot_tui.config.checking import check
from icot_tui.config.sections import Count, Fraction, Section
from icot_tui.config.toml import KeyPath, read_toml
from icot_tui.errors import UserError

Scale = Literal["cpu", "gpu", "paper"]
Changes = dict[str, Any]
Axes = dict[str, dict[str, Changes]]

MeasureName = Literal[
    "exact_match",
    "token_accuracy",
    "validation_exact_match",
    "ood_exact_match",
    "final_exact_match",
    "speed",
    "examples_per_second",
    "steps",
    "steps_to_internalize",
    "flops",
    "seconds",
    "seconds_to_internalize",
    "tokens_internalized",
    "removed_tokens",
    "spikes",
    "resets",
    "no_offset",
    "mean_offset",
]
"""What can be reported of a trial; `measures.MEASURES` says what each is."""


class ScaleConfig(Section):
    """One size of a study."""

    base: str
    """Config that every trial starts from: a sample's name or a file."""
    minutes: Annotated[float, Field(ge=0)]
    """About how long all of it takes on the machine named beside."""
    machine: str = "two CPU cores"
    """The machine that the minutes are meant for."""
    seeds: Annotated[list[Count], Field(min_length=1)] = [0]
    """Seeds of the runs."""
    changes: Changes = {}
    """Changes to the base, for every trial."""
    vary: Axes = {}
    """Values that are only of this size, or differ in it."""
    data: dict[str, Changes] = {}
    """Other data that only this size asks about."""


class ReportConfig(Section):
    """The table."""

    measures: Annotated[list[MeasureName], Field(min_length=1)]
    """Its columns."""
    per: Literal["trial", "checkpoint", "data"] = "trial"
    """A row for each combination of values; also for each kept checkpoint, or each other data."""
    across: str | None = None
    """Axis whose values stand side by side as groups of columns."""
    best_of: str | None = None
    """Axis of settings that were tried: of each, the best on the validation examples is shown."""
    frontier: bool = False
    """Leave out rows that another one beats in both exact match and speed."""
    accurate: Fraction = 0.9
    """Exact match from which tokens count as internalized."""


class PlotConfig(Section):
    """The figure."""

    kind: Literal["curves", "points", "bars", "offsets"]
    """curves: a run's evaluations; points, bars: the table's values; offsets: of smoothing."""
    x: Literal["removed", "step", "seconds"] | MeasureName = "removed"
    """Curves: tokens removed, steps or seconds of training; points: a measure."""
    y: MeasureName = "exact_match"
    """A measure; of curves, the exact match."""


class StudyConfig(Section):
    """A whole study."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=40)
    """Name of its folder."""
    title: str
    """What it shows, in a few words."""
    source: str = ""
    """The table or figure that it reruns."""
    about: str = ""
    """What to expect, in a sentence or two."""
    vary: Axes = {}
    """Axes, their values, and what each changes in the config."""
    scales: dict[Scale, ScaleConfig]
    """Its sizes."""
    data: dict[str, Changes] = {}
    """Other data that report.per = "data" asks about: changes to the data section."""
    report: ReportConfig
    """The table."""
    plot: PlotConfig | None = None
    """The figure."""

    @model_validator(mode="after")
    def consistent(self) -> "StudyConfig":
        if not self.scales:
            raise ValueError("a study needs a scale, such as [scales.cpu]")
        other = [self.data, *(scale.data for scale in self.scales.values())]
        if (self.report.per == "data") != any(other):
            raise ValueError('report.per = "data" and the sections [data.NAME] need each other')
        varied = [self.vary, *(scale.vary for scale in self.scales.values())]
        axes = {axis for vary in varied for axis in vary}
        for key, axis in (("across", self.report.across), ("best_of", self.report.best_of)):
            if axis is not None and axis not in axes:
                known = ", ".join(sorted(axes)) or "none"
                raise ValueError(f"report.{key} names no axis: choose among {known}")
        if self.report.best_of is not None:
            if self.report.per != "trial":
                raise ValueError('report.best_of needs report.per = "trial"')
            if self.report.best_of == self.report.across:
                raise ValueError("report.best_of and report.across name the same axis")
        if self.plot is not None and self.plot.kind == "points":
            for name in (self.plot.x, self.plot.y):
                if name not in self.report.measures:
                    raise ValueError(f"plot needs '{name}' among report.measures")
        return self


@dataclass(frozen=True)
class LoadedStudy:
    """A checked study, its file, and the line of each of its keys."""

    config: StudyConfig
    path: Path
    text: str
    lines: dict[KeyPath, int]

    @property
    def folder(self) -> Path:
        """What relative paths in it are relative to: its folder, or for samples the current one."""
        bundled = self.path in resources.studies().values()
        return Path.cwd() if bundled else self.path.absolute().parent

    def scale(self, name: str) -> ScaleConfig:
        """One of its sizes.

        Raises:
            UserError: it has none of that name.
        """
        scales: dict[str, ScaleConfig] = {str(key): one for key, one in self.config.scales.items()}
        if name not in scales:
            known = ", ".join(scales)
            raise UserError(f"{self.path}: there is no [scales.{name}]: choose among {known}")
        return scales[name]


def load_study(source: str | Path) -> LoadedStudy:
    """Read a study's file, or a sample by its name, and check it.

    Raises:
        UserError: no such study, not TOML, an unknown key, a wrong value; with file, line and key.
    """
    path = find_study(source)
    raw, lines = read_toml(path)
    origins = {key: f"{path}:{line}" for key, line in lines.items()}
    config = check(StudyConfig, raw, origins, str(path))
    return LoadedStudy(config, path, path.read_text(encoding="utf-8-sig"), lines)


def find_study(source: str | Path) -> Path:
    """Path of a study's file, or of the sample of that name.

    Raises:
        UserError: there is neither.
    """
    samples, path = resources.studies(), Path(source)
    if path.is_file():
        return path
    if str(source) in samples:
        return samples[str(source)]
    alike = get_close_matches(path.stem, samples, n=1)
    hint = f"did you mean {alike[0]}" if alike else f"choose among {', '.join(samples)}"
    raise UserError(f"there is no study {source}, neither a file nor a sample; {hint}")


SCALES: tuple[Scale, ...] = get_args(Scale)
