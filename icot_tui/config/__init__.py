"""What a user writes to describe a run: the sections, and how files and overrides become one."""

from icot_tui.config.loading import dump_toml, load_config, with_folders_of, without_folders
from icot_tui.config.run import (
    MethodConfig,
    MethodDescription,
    Phase,
    RunConfig,
    check_run,
    default_separator,
    known_methods,
    method_of,
)
from icot_tui.config.sections import (
    CheckpointConfig,
    CurriculumConfig,
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    SpikeConfig,
    TrainConfig,
)

__all__ = [
    "CheckpointConfig",
    "CurriculumConfig",
    "DataConfig",
    "EvaluationConfig",
    "MethodConfig",
    "MethodDescription",
    "ModelConfig",
    "Phase",
    "RunConfig",
    "SpikeConfig",
    "TrainConfig",
    "check_run",
    "default_separator",
    "dump_toml",
    "known_methods",
    "load_config",
    "method_of",
    "with_folders_of",
    "without_folders",
]
