"""What a user writes to describe a run: the sections, and how files and overrides become one."""

from icot_tui.config.distillation import DistillationConfig, Phase, PhaseConfig
from icot_tui.config.loading import LoadedConfig, dump_toml, load_config
from icot_tui.config.prompted import PromptedConfig
from icot_tui.config.sections import (
    CheckpointConfig,
    CurriculumConfig,
    DataConfig,
    EvaluationConfig,
    LoraConfig,
    MethodConfig,
    ModelConfig,
    RunConfig,
    SpikeConfig,
    TrackerConfig,
    TrainConfig,
)

__all__ = [
    "CheckpointConfig",
    "CurriculumConfig",
    "DataConfig",
    "DistillationConfig",
    "EvaluationConfig",
    "LoadedConfig",
    "LoraConfig",
    "MethodConfig",
    "ModelConfig",
    "Phase",
    "PhaseConfig",
    "PromptedConfig",
    "RunConfig",
    "SpikeConfig",
    "TrackerConfig",
    "TrainConfig",
    "dump_toml",
    "load_config",
]
