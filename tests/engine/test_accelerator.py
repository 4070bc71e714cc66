"""What a launcher's environment may not decide: the config says how a run is trained."""

import pytest

from icot_tui.errors import UserError
from icot_tui.runs.session import build_accelerator
from tests.tiny import tiny


def test_the_config_alone_says_what_is_compiled_and_in_which_precision(monkeypatch):
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "EAGER")
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    accelerator = build_accelerator(tiny())
    assert accelerator.mixed_precision == "no"
    assert accelerator.state.dynamo_plugin.backend == "NO"


@pytest.mark.parametrize("name", ["DEEPSPEED", "MEGATRON_LM"])
def test_launchers_of_other_libraries_are_refused(monkeypatch, name):
    monkeypatch.setenv(f"ACCELERATE_USE_{name}", "true")
    with pytest.raises(UserError, match=r"trains with DDP or FSDP"):
        build_accelerator(tiny())
