"""Four families in every test run, all of them by `pytest -m families tests/families`."""

from contextlib import nullcontext

import pytest

from icot_tui.errors import UserError
from icot_tui.models.behaviour import behaviour
from tests.families.configs import FAMILIES, tiny_model
from tests.families.features import FEATURES, Family
from tests.families.matrix import REFUSED, Row, cells, read_rows

CHOSEN = ("bloom", "mamba", "qwen3_next", "rwkv")
"""No positions; a state space; linear and full attention; a cache that can't be used."""
SLOW = ("lora", "distill", "bf16")

pytestmark = pytest.mark.families


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = FAMILIES if "families" in metafunc.config.option.markexpr else CHOSEN
    metafunc.parametrize("family", names, indirect=True, scope="module")


@pytest.fixture(scope="module")
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Family:
    return Family(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def told() -> dict[str, Row]:
    """What docs/families.md says."""
    return read_rows()


@pytest.mark.parametrize(
    "feature",
    [pytest.param(one, marks=[pytest.mark.slow] if one in SLOW else []) for one in FEATURES],
)
def test_a_family_does_what_the_page_says(
    family: Family, feature: str, told: dict[str, Row]
) -> None:
    refused = told[family.name][feature] == REFUSED
    with pytest.raises(UserError) if refused else nullcontext():
        getattr(family, feature)()


def test_a_family_reads_positions_and_has_a_cache_as_the_page_says(
    family: Family, told: dict[str, Row]
) -> None:
    seen = cells(behaviour(tiny_model(family.name)))
    assert seen.items() <= told[family.name].items()
