import pytest
import torch

from icot_tui.analysis.examples import AlignedExamples, load_examples
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.analysis.model_cache import open_safely
from tests.analysis.made import add_checkpoint, make_config, make_run
from tests.analysis.wired import wired_model


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Encoded data of these tests, apart from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICOT_TUI_CACHE", str(tmp_path_factory.mktemp("cache")))
        torch.set_num_threads(1)
        yield


@pytest.fixture(scope="session")
def runs(tmp_path_factory, own_cache):
    """A folder with the runs `carries` and `ignores`, one checkpoint each, at stage 8."""
    folder = tmp_path_factory.mktemp("runs")
    for name, uses in (("carries", True), ("ignores", False)):
        config = make_config(name=name)
        add_checkpoint(make_run(folder, config), config, wired_model(config, uses), 8)
    return folder


@pytest.fixture(scope="session")
def carries(runs):
    return LoadedModel(open_safely(runs / "carries"))


@pytest.fixture(scope="session")
def ignores(runs):
    return LoadedModel(open_safely(runs / "ignores"))


@pytest.fixture(scope="session")
def examples(carries):
    """500 examples."""
    return load_examples(carries, 500)


@pytest.fixture(scope="session")
def split(carries, examples):
    """The examples in the tokenizer of the models."""
    return examples.split(carries)


@pytest.fixture(scope="session")
def aligned(carries, split):
    return AlignedExamples(carries, split, 8)
