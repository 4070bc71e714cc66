"""The run that most tests look at, or go on with."""

import gc
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from icot_tui.engine.run_folder import RunFolder
from tests.methods.distillation.runs import distilled
from tests.tiny import train_new


@pytest.fixture(scope="package", autouse=True)
def little_garbage() -> Iterator[None]:
    """Between two trainings only new objects are collected.

    All would be those of every library that the tests have loaded, which takes 0.2 s each time.
    """
    young = SimpleNamespace(collect=lambda: gc.collect(0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("accelerate.utils.memory.gc", young)
        yield


@pytest.fixture(scope="package")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder: RunFolder = train_new(tmp_path_factory.mktemp("whole"), distilled())
    return folder
