"""One pydantic model a section of the TOML file.

Nothing here imports torch: `config check` and `--help` must answer at once.
"""

from itertools import pairwise
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from icot_tui.units import Unit

FILE: Final = "file"
"""Marks a value that is a path."""
FILE_OR_NAME: Final = "file or name"
"""Marks a value that is a path if it begins like one, or else a name on the hub."""
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
BelowOne = Annotated[float, Field(ge=0.0, lt=1.0)]
"""Of what leaves nothing at 1: dropout, and how much of the past is kept."""
OptionValues = dict[str, str | int | bool | list[str] | list[int]]
Vocabulary = Literal["all", "data"]
LARGEST = 10**12
"""Of numbers that have no bound of their own: more than any run can need, and exact in floats."""
MOST_LAYERS = 10_000
"""A block takes memory before its first weight does: far more could not even be refused in time."""
MOST_THREADS = 1024
WIDEST = 2**16
"""Columns that rows are padded to, at most: each is memory."""
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
ThoughtCount = Annotated[int, Field(ge=1, le=1024)]
"""Continuous thoughts, or pause tokens: each costs a pass, or a column of every row."""
Above = Annotated[float, Field(gt=0, le=LARGEST, allow_inf_nan=False)]


class Section(BaseModel):
    """Unknown keys are errors, and a checked config never changes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, ser_json_inf_nan="strings"
    )


class ColumnsConfig(Section):
    """Columns of rows (JSON, CSV, Parquet, a dataset) that are not recognized by themselves."""

    question: str | None = None
    """Name of the column with the question."""
    chain: str | None = None
    """Name of the column with the chain of thought: a text, or a list of steps."""
    answer: str | None = None
    """Name of the column with the answer; if it is the chain's too, the answer follows `####`."""


class DataConfig(Section):
    """Where the examples come from: a task, or files, folders and datasets with examples."""

    task: str | None = None
    """Generated task (multiplication, addition, modular, parity, hops, graph); empty: files."""
    options: OptionValues = {}
    """The task's own options, e.g. digits = "4x4" and format = "long" for multiplication."""
    train: Annotated[str | None, FILE] = None
    """Training data instead of a task: text, JSON, CSV, Parquet, a folder, hub:NAME."""
    validation: Annotated[str | None, FILE] = None
    """Validation data, on which the best checkpoint is chosen; or a share of train, like "10%"."""
    test: Annotated[str | None, FILE] = None
    """Test data, which only tables, cards and `eval` look at."""
    columns: ColumnsConfig = ColumnsConfig()
    """Columns, where they are not recognized."""
    step_end: Annotated[str, Field(min_length=1)] | None = None
    """What ends a step in chains that are text, such as "."; empty: ">>", or the end of a line."""
    max_overlap: Fraction = 0.1
    """Largest share of validation or test that may also stand in train; 1 allows all."""
    train_examples: Positive | None = None
    """How many examples to train on; empty: all of the file, or all that the task has left."""
    validation_examples: Positive = 1000
    """How many held-out examples to evaluate on; of a shorter file, all."""
    test_examples: Count = 0
    """Held-out examples of a generated task that training and validation never see."""
    train_options: OptionValues = {}
    """Options of the training problems alone, over the task's own: such as easier problems."""
    ood_options: OptionValues = {}
    """Options of a task's out-of-distribution split, over its own: longer or deeper problems."""
    ood_examples: Count = 1000
    """How many problems that split has, if there is one; only `eval`, tables and cards use it."""
    seed: Count = 0
    """Seed of the generated examples, apart from the run's seed so that runs can share data."""
    tokenizer: Annotated[str, FILE_OR_NAME] = "character"
    """"character" (made from the data), or a Hugging Face tokenizer's folder or hub name."""
    separator: Literal["eos", "own"] | None = None
    """eos: end-of-text ends all spans, as published; own: answers; empty: own in a new model."""
    max_length: Positive | None = None
    """Rows longer than this many tokens after removal are left out of their batch, and counted."""

    @model_validator(mode="after")
    def one_source(self) -> "DataConfig":
        if (self.task is None) == (self.train is None):
            raise ValueError("give either a task or a train file (data.task or data.train)")
        if self.train is not None and self.validation is None:
            raise ValueError('data.train needs data.validation beside it, such as "10%"')
        of_files = (self.test, self.step_end, self.columns)
        if self.train is None and of_files != (None, None, ColumnsConfig()):
            raise ValueError("data.test, data.step_end and data.columns go with data.train")
        if self.train is not None and (self.train_options or self.ood_options):
            raise ValueError("data.train_options and data.ood_options go with data.task")
        self.validation_share  # noqa: B018  raises for what is no share
        return self

    @property
    def validation_share(self) -> float | None:
        """The share of the training data that is held out; None where validation has a source."""
        if self.validation is None or not self.validation.endswith("%"):
            return None
        try:
            share = float(self.validation.removesuffix("%")) / 100
        except ValueError:
            share = 0.0
        if not 0 < share < 1:
            raise ValueError(f'data.validation = "{self.validation}" is no share such as "10%"')
        return share

    @property
    def reported_split(self) -> str:
        """The split whose results are reported: test if there is one; nothing is chosen on it."""
        return "test" if self.test is not None or self.test_examples else "validation"


class LoraConfig(Section):
    """Low-rank adapters through PEFT; rank 0 trains all weights."""

    rank: Count = 0
    """Rank of the adapters; 0 switches them off."""
    alpha: Above = 16.0
    """Scale of the adapters: what they add is multiplied by alpha / rank."""
    dropout: BelowOne = 0.0
    """Dropout before the adapters."""
    targets: list[str] | Literal["all-linear"] = []
    """Module names to adapt, or "all-linear"; empty: PEFT's choice for the architecture."""


class ModelConfig(Section):
    """A model from scratch by its sizes, or any causal language model of transformers."""

    pretrained: Annotated[str | None, FILE_OR_NAME] = None
    """Folder or hub name of a causal language model; empty: from scratch by the sizes below."""
    architecture: str = "gpt2"
    """Model type of transformers for a model from scratch (gpt2, llama, ...)."""
    layers: Annotated[int, Field(ge=1, le=MOST_LAYERS)] = 2
    """Number of blocks."""
    heads: Positive = 4
    """Attention heads a block."""
    width: Positive = 128
    """Width of the residual stream."""
    positions: Positive | None = None
    """Size of the position table; empty: what the data needs. A pretrained table is extended."""
    dropout: BelowOne | None = None
    """Dropout everywhere; empty: none in a model from scratch, a pretrained model's own."""
    initializer_range: Above | None = None
    """Standard deviation of first weights from scratch; empty: the architecture's (0.02)."""
    vocabulary: Vocabulary = "all"
    """all: the tokenizer's; data: the tokens of the data alone, for small models on a CPU."""
    precision: Literal["float32", "bfloat16-mixed", "bfloat16"] = "float32"
    """float32; bfloat16 compute over float32 weights; or bfloat16 weights and optimizer."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third slower."""
    lora: LoraConfig = LoraConfig()
    """Adapters."""

    @model_validator(mode="after")
    def heads_divide_width(self) -> "ModelConfig":
        if self.pretrained is None and self.width % self.heads:
            raise ValueError(f"model.width {self.width} is not a multiple of heads {self.heads}")
        if self.pretrained is None and self.lora.rank:
            raise ValueError(
                "model.lora adapts a model that is there already: set model.pretrained, or leave "
                "model.lora.rank out"
            )
        if self.vocabulary == "data" and self.lora.rank:
            raise ValueError(
                "model.vocabulary = 'data' takes words out of the model, which adapters can't "
                "tell: leave it out, or train all weights"
            )
        return self


class StageSpan(Section):
    """One entry of a fixed list of stages."""

    stage: Count
    """Removed tokens (or steps) during this span."""
    steps: Positive
    """Optimizer steps it lasts; the last span lasts for ever."""


class CurriculumConfig(Section):
    """When tokens are removed, how many more by chance, and from which side."""

    unit: Unit = "token"
    """What is removed at once, and counted by all that follows: a token, or a reasoning step."""
    schedule: Literal["linear", "loss_gated", "mastery", "stages"] = "linear"
    """linear: by the clock; loss_gated: when learnt; mastery: by example; stages: a fixed list."""
    remove_per_epoch: Above = 8
    """Delta of the linear schedule: removals an epoch, of one token (or step) each."""
    remove_share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Each removal takes this share of what is left, at least one; empty: one token (or step)."""
    warmup_epochs: Annotated[float, Field(ge=0, le=LARGEST)] = 0
    """Epochs at the first stage before the schedule starts."""
    first_stage: Count = 0
    """Tokens (or steps) removed from the start on."""
    remove_all_beyond: Positive | None = None
    """As soon as the stage reaches this, the whole chain of thought is removed."""
    gate_loss: Annotated[float, Field(gt=0)] = 0.1
    """loss_gated: learnt when the smoothed loss is below this; mastery: when the example's is."""
    gate_per: Literal["token", "example"] = "token"
    """Of gate_loss: nats per supervised token, or their sum over an example's tokens."""
    gate_rows: Literal["all", "scheduled"] = "all"
    """loss_gated: rows that count; scheduled: those that lose as much as the stage says."""
    gate_window: Positive = 50
    """loss_gated: steps (with rows that count) since the last removal that are averaged over."""
    min_steps: Positive = 80
    """loss_gated, mastery: fewest steps a stage."""
    max_steps: Positive | None = None
    """loss_gated, mastery: most steps a stage, learnt or not; empty: as long as it takes."""
    stages: list[StageSpan] = []
    """stages: the fixed list."""
    smoothing: Annotated[float, Field(gt=0)] = 4.0
    """Lambda of removal smoothing, P(o) ~ exp(-lambda o); inf switches it off."""
    mixed_stages: Fraction = 0.0
    """Share of each batch at a stage drawn from 0 to the scheduled one: any budget of thought."""
    side: Literal["left", "right", "random"] = "left"
    """Which end of the chain of thought goes first; random: one seeded order of positions."""
    keep_positions: bool = False
    """Removed tokens leave their position ids behind."""
    reset_optimizer: bool = True
    """Drop the optimizer's state whenever one more token or step is removed."""

    @model_validator(mode="after")
    def consistent(self) -> "CurriculumConfig":
        if self.schedule == "stages" and not self.stages:
            raise ValueError("curriculum.stages is empty, but the schedule is 'stages'")
        spans = pairwise(span.stage for span in self.stages)
        fallen = next((pair for pair in spans if pair[1] <= pair[0]), None)
        if self.schedule == "stages" and fallen:
            raise ValueError(
                "curriculum.stages must rise, since nothing comes back that was removed, but "
                f"{fallen[1]} follows {fallen[0]}"
            )
        if self.schedule == "stages" and self.remove_share is not None:
            raise ValueError(
                "curriculum.remove_share does not go with schedule 'stages', whose list says what "
                "each removal takes"
            )
        if self.max_steps is not None and self.max_steps < self.min_steps:
            raise ValueError("curriculum.max_steps is below curriculum.min_steps")
        if self.keep_positions and self.side == "random":
            raise ValueError("curriculum.keep_positions needs side 'left' or 'right'")
        if self.unit == "step" and self.side == "random":
            raise ValueError("curriculum.unit 'step' needs side 'left' or 'right'")
        if not self.keep_positions and self.side != "right":
            # Nothing else in the prompt tells how many tokens are gone.
            if self.mixed_stages:
                raise ValueError("curriculum.mixed_stages needs curriculum.keep_positions = true")
            if self.schedule == "mastery":
                raise ValueError(
                    "curriculum.schedule 'mastery' needs curriculum.keep_positions = true, so that "
                    "the model can tell how much of a chain of thought is gone"
                )
        return self


class TrainConfig(Section):
    """The optimizer and the loop."""

    epochs: Above | None = None
    """Stop after this many passes over the training split."""
    max_steps: Positive | None = None
    """Stop after this many optimizer steps."""
    steps_after_removal: Positive | None = None
    """Stop this many steps after the whole chain of thought was removed."""
    target_accuracy: Fraction | None = None
    """Stop once an evaluation with all removed (explicit CoT: any) reaches this exact match."""
    batch_size: Positive = 32
    """Examples an optimizer step, over all processes and micro-batches."""
    micro_batch_size: Positive | None = None
    """Examples a forward pass on one process; empty: the whole share of the batch."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """muon: Muon for the matrices inside the model, AdamW for all other weights."""
    learning_rate: Above = 5e-5
    """Peak learning rate."""
    muon_learning_rate: Above | None = None
    """Peak learning rate of Muon's matrices, on AdamW's scale; empty: learning_rate."""
    warmup_steps: Count = 0
    """Steps of linear warm-up at the start, and after each optimizer reset if restart_warmup."""
    restart_warmup: bool = False
    """Warm up again after each optimizer reset."""
    decay_steps: Count = 0
    """Let the rate fall linearly to a hundredth over this many steps at the end of the run."""
    weight_decay: Annotated[float, Field(ge=0, le=LARGEST)] = 0.01
    """AdamW's and Muon's weight decay."""
    beta1: BelowOne = 0.9
    """AdamW's first beta."""
    beta2: BelowOne = 0.999
    """AdamW's second beta; in bfloat16 a spike is only forgotten with 0.99 or less."""
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    """Largest norm of the gradient."""
    observe_every: Positive = 10
    """Steps between looks at the losses; the device is waited for only then."""
    max_skipped: Positive = 5
    """Non-finite updates in a row, all skipped, after which the run goes back to a checkpoint."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train."""
    threads: Annotated[int, Field(ge=0, le=MOST_THREADS)] = 0
    """CPU threads of the tensor library; 0: its own choice."""
    compile: bool = False
    """Compile the model; every padded shape is warmed up before the clock starts."""
    split_by_length: bool | None = None
    """Pad rows of alike lengths apart, with the same losses; empty: one process on a CPU does."""
    pad_to_multiple: Annotated[int, Field(ge=1, le=WIDEST)] | None = None
    """Round padded lengths up to a multiple; empty: 1 on a CPU, 16 on a GPU or compiled."""

    @model_validator(mode="after")
    def ends(self) -> "TrainConfig":
        limits = (self.epochs, self.max_steps, self.steps_after_removal, self.target_accuracy)
        if all(limit is None for limit in limits):
            raise ValueError(
                "the run would never end: set train.epochs, max_steps, steps_after_removal "
                "or target_accuracy"
            )
        if self.decay_steps and self.max_steps is None and self.steps_after_removal is None:
            raise ValueError("train.decay_steps needs train.max_steps or steps_after_removal")
        if self.muon_learning_rate is not None and self.optimizer != "muon":
            raise ValueError("train.muon_learning_rate is for train.optimizer = 'muon'")
        if self.split_by_length and self.compile:
            raise ValueError(
                "train.split_by_length gives more padded shapes than train.compile prepares for: "
                "leave one of them out"
            )
        if self.micro_batch_size and self.micro_batch_size > self.batch_size:
            raise ValueError("train.micro_batch_size is larger than train.batch_size")
        return self


class EvaluationConfig(Section):
    """Exact match on held-out examples, at the scheduled stage without smoothing."""

    every_steps: Positive | None = None
    """Optimizer steps between evaluations; empty: at each epoch's end."""
    batch_size: Positive = 256
    """Examples a forward pass."""
    max_new_tokens: Positive | None = None
    """Most tokens written for an answer; empty: what the longest example needs, and a few more."""
    samples: Count = 12
    """Examples kept for reading: right, wrong and random ones."""
    probe_before_removal: bool | None = None
    """How well is the next token to go read before it is written? Empty: where that can be told."""
    compare: Literal["text", "number"] | None = None
    """As numbers, 2,000 = 2000.0. Empty: as numbers if the answers in files are such, else text."""


class CheckpointConfig(Section):
    """What is saved when, and what is kept."""

    every_steps: Positive | None = None
    """Optimizer steps between checkpoints; empty: before each evaluation only."""
    keep: Annotated[int, Field(ge=2, le=LARGEST)] = 3
    """How many of the newest to keep (two at least: the newest may be damaged)."""
    keep_best: bool = True
    """Keep the one with the best exact match (best since everything was removed, once it was)."""
    keep_every_stages: Positive | None = None
    """Also keep one for each k stages."""
    before_removal: bool = False
    """Save before every removal too; spikes.policy = "rollback" does so in any case."""
    optimizer_state: bool = True
    """Save the optimizer's state; without it a resume is no longer exact."""


class SpikeConfig(Section):
    """What counts as a loss spike, and what is done about it."""

    policy: Literal["log", "pause", "rollback"] = "log"
    """On a collapse: say so, pause, or go back to before the removal and go on more slowly."""
    window: Annotated[int, Field(ge=2, le=LARGEST)] = 20
    """Steps the loss is averaged over."""
    sigmas: Above = 6.0
    """A spike stands this many standard deviations above the loss before it."""
    patience: Positive = 2000
    """Steps without recovery or progress after which a trough is called a collapse."""
    slow_down: Annotated[float, Field(ge=1, le=LARGEST)] = 2.0
    """rollback: each one multiplies the steps a token by this."""
    max_rollbacks: Count = 3
    """rollback: how many times before the run pauses instead."""


class TrackerConfig(Section):
    """Other experiment trackers; all off by default."""

    names: list[Literal["tensorboard", "wandb", "mlflow", "trackio"]] = []
    """Trackers to write to."""
    project: str = "icot-tui"
    """Project or experiment name there."""
