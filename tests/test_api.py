"""The Python API: the page's examples run as they stand, and importing it is cheap."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import icot_tui
from icot_tui.errors import UserError
from tests.tiny import tiny

PAGE = Path(__file__).parents[1] / "docs" / "api.md"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICOT_TUI_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("ICOT_TUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_the_examples_of_the_page_run() -> None:
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    run, answer, report = names["run"], names["answer"], names["report"]
    assert isinstance(run, icot_tui.Run)
    assert run.status == "finished"
    assert answer.expected == "408"  # type: ignore[attr-defined]
    assert len(names["hidden"]) == 8  # type: ignore[arg-type]
    assert [target.name for target in report.targets] == ["z1"]  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_run_has_a_value_for_each_step_and_each_evaluation() -> None:
    seen: list[str] = []
    run = icot_tui.train(tiny(), on_event=lambda event: seen.append(type(event).__name__))
    assert seen[0] == "RunStarted" and seen[-1] == "RunEnded"
    assert run.steps.tolist() == list(range(1, 31))
    assert run.losses.shape == run.stages.shape == (30,) and np.isfinite(run.losses).all()
    assert run.gradient_norms.shape == run.learning_rates.shape == run.times.shape == (30,)
    assert (run.learning_rates > 0).all() and (np.diff(run.times) >= 0).all()
    assert run.evaluation_steps.tolist() == sorted({7, 14, 21, 28, *run.evaluation_steps.tolist()})
    assert run.exact_match.shape == run.implicit.shape == run.evaluation_stages.shape
    assert run.best_checkpoint in [one.path for one in run.checkpoints]
    again = icot_tui.load_run(run.path)
    assert (again.name, again.config) == ("tiny", run.config)
    assert np.array_equal(again.losses, run.losses)


def test_mistakes_are_sentences() -> None:
    with pytest.raises(UserError, match="there is no run 'nobody'"):
        icot_tui.load_run("nobody")
    with pytest.raises(UserError, match=r"train\.batch_size"):
        icot_tui.train("demo", overrides={"train.batchsize": 4})
    with pytest.raises(UserError, match="overrides need a config file"):
        icot_tui.train(tiny(), overrides={"name": "other"})
    with pytest.raises(UserError, match="no run 'nobody'"):
        icot_tui.ask("nobody", "12*34")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        icot_tui.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ("torch", "numpy", "pydantic")
    code = f"import sys, icot_tui; print([name for name in {heavy} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(icot_tui.__file__).parent / "py.typed").is_file()


def test_a_training_that_never_begins_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"lower train\.batch_size"):
        icot_tui.train(tiny(train={"batch_size": 4000}))
    assert [path for path in (tmp_path / "runs").iterdir() if path.is_dir()] == []
