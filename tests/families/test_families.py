"""Four families in every test run; all of them by tests/families/matrix.py."""

import pytest

from tests.families.features import FEATURES, Family

CHOSEN = ("bloom", "mamba", "qwen3_next", "rwkv")
"""No positions; a state space; linear and full attention; a cache that can't be used."""


@pytest.fixture(scope="module", params=CHOSEN)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Family:
    return Family(request.param, tmp_path_factory.mktemp(request.param))


@pytest.mark.slow
@pytest.mark.parametrize("feature", FEATURES)
def test_a_family_is_right(family: Family, feature: str) -> None:
    getattr(family, feature)()
