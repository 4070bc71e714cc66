"""The section of ICoT-KD (arXiv 2311.01460)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from icot_tui.config.sections import FILE_OR_NAME, Above, Count, Fraction, Positive, Section

MOST_COMPONENTS = 2**16
PARTS = "distillation.json"
"""The file of a checkpoint that names the models in it."""
PhaseName = Literal["teacher", "student", "emulator", "coupled"]


class PhaseConfig(Section):
    """What one training of distillation does differently from the train section."""

    epochs: Above | None = None
    """Stop after this many passes; any end given here takes the place of all in train."""
    max_steps: Positive | None = None
    """Stop after this many optimizer steps of this training."""
    target_accuracy: Fraction | None = None
    """Stop once an evaluation of this training reaches this exact match."""
    batch_size: Positive | None = None
    """Examples an optimizer step."""
    micro_batch_size: Positive | None = None
    """Examples a forward pass."""
    learning_rate: Above | None = None
    """Peak learning rate."""
    warmup_steps: Count | None = None
    """Steps of linear warm-up at its start."""
    decay_steps: Count | None = None
    """Let the rate fall over this many steps at its end; needs max_steps."""


class DistillationConfig(Section):
    """ICoT-KD: teacher, mind-reading student, thought emulator, and the two coupled."""

    phases: Annotated[list[PhaseName], Field(min_length=1)] = [
        "teacher",
        "student",
        "emulator",
        "coupled",
    ]
    """The trainings of this run, in this order; leave out what from_... brings."""
    from_teacher: Annotated[str | None, FILE_OR_NAME] = None
    """Checkpoint or run with explicit CoT, instead of training a teacher."""
    from_student: Annotated[str | None, FILE_OR_NAME] = None
    """Checkpoint or run with a mind-reading student, instead of training one."""
    from_emulator: Annotated[str | None, FILE_OR_NAME] = None
    """Checkpoint or run with a thought emulator, instead of training one."""
    start: Literal["model", "teacher"] = "model"
    """Student and emulator begin as the model section says, or as copies of the teacher."""
    subset: Literal["diagonal", "first_column", "last_column", "top_row", "bottom_row"] = "diagonal"
    """Where the teacher's states are taken."""
    delta: Above | None = None
    """Positions from block to block; empty: for each example, to end at the second separator."""
    mixture_components: Annotated[int, Field(ge=1, le=MOST_COMPONENTS)] = 1
    """Ways of thinking that the emulator chooses from."""
    temperature: Above = 0.05
    """Of that choice; lower is more decided."""
    freeze_emulator: bool = False
    """Train the student alone in the coupled phase."""
    stored_gigabytes: Annotated[float, Field(ge=0)] = 20.0
    """Keep the teacher's states on disk while they need less than this; else recompute them."""
    teacher: PhaseConfig = PhaseConfig()
    """Its training."""
    student: PhaseConfig = PhaseConfig()
    """Its training."""
    emulator: PhaseConfig = PhaseConfig()
    """Its training."""
    coupled: PhaseConfig = PhaseConfig()
    """The training of student and emulator together."""

    @model_validator(mode="after")
    def complete(self) -> "DistillationConfig":
        order = ["teacher", "student", "emulator", "coupled"]
        if self.phases != [name for name in order if name in self.phases]:
            raise ValueError(f"distillation.phases must be some of {order}, in this order")
        given = {name for name in order[:3] if getattr(self, f"from_{name}") is not None}
        if both := sorted(given & set(self.phases)):
            raise ValueError(f"give either distillation.from_{both[0]} or the phase '{both[0]}'")
        needs = {
            "student": ["teacher"],
            "emulator": ["teacher", "student"],
            "coupled": ["student", "emulator"],
        }
        for phase in self.phases:
            for needed in needs.get(phase, []):
                if needed not in given and needed not in self.phases:
                    raise ValueError(
                        f"the phase '{phase}' needs the phase '{needed}' before it, or "
                        f"distillation.from_{needed}"
                    )
        return self
