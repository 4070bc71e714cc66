"""`icot-tui` with every block sharded by FSDP2, also on CPUs, where Accelerate refuses to."""

from accelerate import Accelerator
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

import icot_tui.runs.session as session
from icot_tui.cli.app import main

build = session.build_accelerator


def build_sharding(*arguments) -> Accelerator:
    accelerator = build(*arguments)
    accelerator.state.distributed_type = DistributedType.FSDP
    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="transformer_based_wrap",
        transformer_cls_names_to_wrap=["GPT2Block"],
        state_dict_type="FULL_STATE_DICT",
        reshard_after_forward=True,
    )
    assert accelerator.is_fsdp2
    return accelerator


def main_sharded() -> None:
    """The program with sharded blocks."""
    session.build_accelerator = build_sharding
    main()
