"""A whole run, and what its method says of itself.

Methods are plugins: the modules of `icot_tui.methods`. They are found by the
package's name, so that the config knows their names and sections and yet imports none of them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, create_model, model_validator

from icot_tui.config.sections import (
    CheckpointConfig,
    CurriculumConfig,
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    Section,
    SpikeConfig,
    TrackerConfig,
    TrainConfig,
)

Own = TypeVar("Own", bound=Section)


class MethodConfig(Section):
    """Which method trains the model."""

    name: str = "stepwise"
    """The method; its own options, if it has any, are in the section of its name."""


class RunConfig(Section):
    """A whole run. `run_config_type` adds the methods' own sections."""

    name: str = Field(default="run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)
    """Name of the run's folder."""
    description: str = ""
    """What this recipe is for, in a sentence."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    """Seed of initial weights, data order, dropout and smoothing; PyTorch takes 32 bits of it."""
    data: DataConfig
    model: ModelConfig = ModelConfig()
    method: MethodConfig = MethodConfig()
    curriculum: CurriculumConfig = CurriculumConfig()
    train: TrainConfig
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoints: CheckpointConfig = CheckpointConfig()
    spikes: SpikeConfig = SpikeConfig()
    trackers: TrackerConfig = TrackerConfig()

    def section(self, kind: type[Own]) -> Own:
        """The section of the run's method."""
        own = getattr(self, self.method.name)
        assert isinstance(own, kind), "a checked config has the section of its method"
        return own

    @model_validator(mode="before")
    @classmethod
    def with_own_section(cls, raw: Any) -> Any:
        """A resolved config has its method's section, with every default."""
        method = raw.get("method") if isinstance(raw, dict) else None
        name = method.get("name") if isinstance(method, dict) else None
        known = known_methods().get(name) if isinstance(name, str) else None
        if known is None or known.section is None or raw.get(name) is not None:
            return raw
        required = [k for k, field in known.section.model_fields.items() if field.is_required()]
        if required:
            keys = " and ".join(f"a {key}" for key in required)
            raise ValueError(f"the method '{name}' needs a section [{name}] with {keys}")
        return raw | {name: {}}

    @model_validator(mode="after")
    def fits_method(self) -> "RunConfig":
        method = method_of(self)
        for dotted in method.excludes:
            value: Any = self
            for key in dotted.split("."):
                value = getattr(value, key)
            if value:
                raise ValueError(f"{dotted} does not go with {method.name}: leave it out")
        if self.evaluation.probe_before_removal and not (
            method.removes_tokens and method.plain_model
        ):
            raise ValueError(
                f"evaluation.probe_before_removal does not go with {method.name}: it needs a plain "
                "language model whose chain of thought is removed step by step"
            )
        method.check(self)
        return self


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One training of a run; most runs are one.

    config  the run's config as it holds for this training
    name    in a run of several; empty otherwise
    number  its place in the method's whole sequence, from 1
    title   what happens in it, in a sentence
    """

    config: RunConfig
    name: str = ""
    number: int = 0
    title: str = ""

    @property
    def label(self) -> str:
        """Number and name, as checkpoints carry them: "2-student"."""
        return f"{self.number}-{self.name}" if self.name else ""


@dataclass(frozen=True, kw_only=True)
class MethodDescription:
    """What a method says of itself, without loading anything heavy.

    Attributes:
        name: in configs.
        title: on the screen, in tables and in the journal.
        description: one line for lists and cards.
        section: its own options, in the section of its name.
        excludes: keys of other sections that must stay at false or 0.
        check: raises ValueError, one sentence, for a config that it cannot train.
        phases: the trainings of a run, one after another.
        trains: False: the model is only asked.
        facts: (what, value) about a run, in place of its model and its training.
        writes_cot: the whole chain of thought is written before every answer.
        removes_tokens: step by step, as the curriculum says.
        uses_curriculum: side and positions of the curriculum hold for its checkpoints.
        is_control: the baseline that probes and speeds of other methods are compared with.
        model: what a checkpoint holds.
        plain_model: transformers alone can load and run it.
        shardable: it can be trained with parts of the model in each process (FSDP).
        writes: what the model writes after a question, for cards.
        in_place: what stands in the place of the written tokens (or steps), in a few words, from
            the config, the stage and the greatest stage.
        panels: views by the name of the panel whose place they take.
        promise: what the removal panel will show, once the run has begun.
        texts: what the removal panel says instead of a schedule, in ever fewer words; `{most}`
            stands for the tokens of the longest chain of thought. Of a method with `in_place` that
            removes tokens, the first is said beside the schedule.
    """

    name: str
    title: str
    description: str
    section: type[Section] | None = None
    excludes: tuple[str, ...] = ()
    check: Callable[[RunConfig], None] = lambda config: None
    phases: Callable[[RunConfig], list[Phase]] = lambda config: [Phase(config=config)]
    trains: bool = True
    facts: Callable[[RunConfig], Iterator[tuple[str, str]]] | None = None
    writes_cot: bool = False
    removes_tokens: bool = False
    uses_curriculum: bool = True
    is_control: bool = False
    model: str = "A language model"
    plain_model: bool = True
    shardable: bool = True
    writes: str = "what is left of the chain of thought, the token again, `####` and the answer"
    in_place: Callable[[RunConfig, int, int], str] = lambda config, stage, greatest: ""
    panels: Mapping[str, str] = field(default_factory=dict)
    promise: str = ""
    texts: tuple[str, ...] = ("This method removes no token step by step.", "no token is removed")


def known_methods() -> Mapping[str, MethodDescription]:
    """All methods by name."""
    found: Mapping[str, MethodDescription] = import_module("icot_tui.methods").METHODS
    return found


def method_of(config: RunConfig) -> MethodDescription:
    """The method of a run."""
    return known_methods()[config.method.name]


@cache
def run_config_type() -> type[RunConfig]:
    """`RunConfig` with the names and the own sections of all methods."""
    methods = known_methods()
    names: Any = Literal[tuple(methods)]
    described = "; ".join(f"{name}: {each.title}" for name, each in methods.items())
    method = create_model(
        "MethodConfig",
        __base__=MethodConfig,
        __doc__=MethodConfig.__doc__,
        name=(names, Field(default="stepwise", description=f"{described}.")),
    )
    sections: dict[str, Any] = {
        name: (each.section | None, None) for name, each in methods.items() if each.section
    }
    return create_model(
        "RunConfig",
        __base__=RunConfig,
        __doc__=RunConfig.__doc__,
        method=(method, method()),
        **sections,
    )


def check_run(raw: Mapping[str, Any]) -> RunConfig:
    """A run's config from plain tables; pydantic's ValidationError says what is wrong."""
    return run_config_type().model_validate(raw)


def default_separator(config: RunConfig) -> Literal["own"] | None:
    """What `data.separator` is in a new run that doesn't say; None: what the tokenizer has.

    A language model that is new ends with end-of-text only where its text does, so that other
    programs can run it. Runs of 0.1 that don't say have "eos" there.
    """
    new = config.model.pretrained is None and method_of(config).plain_model
    return "own" if new else None
