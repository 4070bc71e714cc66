"""What a new run can begin with: the samples, what they cost, and the values that matter."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path

from icot_tui import resources
from icot_tui.config import RunConfig, method_of
from icot_tui.config.loading import load_config
from icot_tui.config.sections import Section
from icot_tui.config.toml import toml_value
from icot_tui.formatting import plain

FIRST = "demo"


@dataclass(frozen=True)
class SampleConfig:
    """A config that comes with the package."""

    name: str
    path: Path

    @cached_property
    def config(self) -> RunConfig:
        return load_config(self.name).config

    @property
    def about(self) -> str:
        """What it is, what its file says of it, and what it costs."""
        lines = (self.config.description, self.remark, cost(self.config))
        return "\n".join(map(plain, lines))

    @property
    def remark(self) -> str:
        """The first sentence of the file's own comment."""
        comment: list[str] = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                break
            comment.append(line.removeprefix("#").strip())
        return " ".join(comment).partition(". ")[0].removesuffix(".") + "."


def samples() -> list[SampleConfig]:
    """All of them: the demo, those for a CPU, then those for a GPU."""
    found = [SampleConfig(name, path) for name, path in resources.sample_configs().items()]
    return sorted(found, key=lambda one: (one.name != FIRST, needs_gpu(one.config), one.name))


def needs_gpu(config: RunConfig) -> bool:
    """Samples with a pretrained model are too large for a CPU."""
    return config.model.pretrained is not None


def cost(config: RunConfig) -> str:
    """How long it trains at most, and on what."""
    train, examples = config.train, config.data.train_examples
    if train.max_steps is not None:
        most = f"At most {train.max_steps:,} steps"
    elif train.epochs is not None and examples is not None:
        most = f"At most {ceil(train.epochs * examples / train.batch_size):,} steps"
    elif train.epochs is not None:
        most = f"At most {train.epochs:g} epochs"
    else:
        most = "It ends once it has removed all and learnt"
    where = "a GPU is needed" if needs_gpu(config) else "two CPU cores are enough"
    return f"{most}; {where}."


def values_that_matter(config: RunConfig) -> list[str]:
    """Dotted keys of the values that one changes most often in such a run."""
    schedule = config.curriculum.schedule
    length = "max_steps" if config.train.epochs is None else "epochs"
    removal = ["gate_loss"] if schedule in ("loss_gated", "mastery") else ["remove_per_epoch"]
    removes = method_of(config).removes_tokens
    curriculum = [*removal, "smoothing"] if removes and schedule != "stages" else []
    return [
        "name",
        "seed",
        *(f"curriculum.{name}" for name in curriculum),
        *(f"train.{name}" for name in ("learning_rate", "batch_size", length, "device")),
    ]


def value_of(config: RunConfig, key: str) -> str:
    """A value as --set takes it; texts without their quotes."""
    value = _find(config, key)
    return value if isinstance(value, str) else toml_value(value)


def meaning(config: RunConfig, key: str) -> str:
    """What the config's own documentation says of a key."""
    *sections, name = key.split(".")
    section = _find(config, ".".join(sections)) if sections else config
    assert isinstance(section, Section)
    return type(section).model_fields[name].description or ""


def changes(config: RunConfig, written: dict[str, str]) -> list[str]:
    """The values that differ from the config's own, as --set takes them."""
    return [f"{key}={value}" for key, value in written.items() if value != value_of(config, key)]


def check(sample: SampleConfig, overrides: Sequence[str]) -> str:
    """What the run will cost with these values.

    Raises:
        UserError: a value is wrong; the sentence says which.
    """
    return cost(load_config(sample.name, list(overrides)).config)


def _find(config: RunConfig, key: str) -> object:
    found: object = config
    for part in key.split("."):
        found = getattr(found, part)
    return found
