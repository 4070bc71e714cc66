"""Studies as people write them: what is said of a mistake, and which trials come out."""

import shlex
from pathlib import Path

import pytest

from icot_tui import resources
from icot_tui.config import load_config
from icot_tui.config.loading import dump_toml
from icot_tui.errors import UserError
from icot_tui.studies.measures import MEASURES, needs
from icot_tui.studies.plan import Plan, digest_of, make_plan
from icot_tui.studies.spec import load_study
from tests.studies.small import SMALL, small, write_study

NAMES = ["table2", "table3", "tradeoff", "smoothing", "ablation", "seeds", "schedules", "formats"]
NAMES += ["scaling", "robustness", "methods", "methods-chain", "methods-3x3", "schedules-tasks"]


def planned(folder: Path, *changes: tuple[str, str], seeds: int | None = None) -> Plan:
    text = SMALL
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return make_plan(small(folder, text), "cpu", seeds)


def test_every_combination_of_values_and_seeds_is_a_trial(tmp_path: Path) -> None:
    sizes = '[vary.size."1x2"]\ndata.options.digits = "1x2"\n[vary.size."2x2"]\n\n[scales.cpu]'
    plan = planned(tmp_path, ("[scales.cpu]", sizes), seeds=3)
    assert len({trial.digest for trial in plan.trials}) == len(plan.trials) == 2 * 2 * 3
    first, last = plan.trials[0], plan.trials[-1]
    assert first.labels == (("method", "No CoT"), ("size", "1x2"))
    assert first.name == "small-cpu-no-cot-1x2-s0"
    assert first.config.method.name == "no_cot"
    assert first.config.data.options["digits"] == "1x2"
    assert last.title == "ICoT-SI, 2x2, seed 2"
    assert last.config.seed == 2
    assert last.config.model.width == 16


def test_a_scale_adds_to_a_value_and_puts_defaults_back(tmp_path: Path) -> None:
    own = (
        '[scales.cpu.vary.method."ICoT-SI"]\ndefaults = ["train.max_steps"]\n'
        "train.steps_after_removal = 5\n\n[report]"
    )
    no_cot, stepwise = planned(tmp_path, ("[report]", own)).trials
    assert no_cot.config.train.max_steps == 30
    assert stepwise.config.train.max_steps is None
    assert stepwise.config.train.steps_after_removal == 5


def test_the_printed_command_trains_the_same(tmp_path: Path) -> None:
    own = 'defaults = ["train.max_steps", "train.decay_steps"]\ntrain.epochs = 1.5\n'
    own += "curriculum.smoothing = inf\n"
    for trial in planned(tmp_path, ('[vary.method."ICoT-SI"]', f'[vary.method."x"]\n{own}')).trials:
        program, command, base, *options = shlex.split(trial.command)
        assert (program, command) == ("icot-tui", "train")
        assert options[:2] == ["--name", trial.name]
        assert set(options[2::2]) <= {"--set"}
        assert digest_of(load_config(base, options[3::2]).config) == trial.digest


def test_the_printed_command_trains_the_same_in_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    for folder in (work / "studies", elsewhere):
        folder.mkdir(parents=True)
    monkeypatch.chdir(work)
    small(work)  # its base is in the current folder, not beside the study
    for base in ("tiny.toml", "gsm8k-gpt2-small"):
        path = work / "studies" / "own.toml"
        path.write_text(SMALL.replace('base = "tiny.toml"', f'base = "{base}"'))
        for trial in make_plan(load_study(path), "cpu").trials:
            _, _, where, *options = shlex.split(trial.command)
            with monkeypatch.context() as there:
                there.chdir(elsewhere)
                assert digest_of(load_config(where, options[3::2]).config) == trial.digest


def test_runs_of_long_names_keep_their_seeds(tmp_path: Path) -> None:
    long = planned(tmp_path, ('"ICoT-SI"', f'"{"word " * 20}"'), seeds=2)
    names = [trial.name for trial in long.trials[2:]]
    assert [name[-3:] for name in names] == ["-s0", "-s1"]
    assert all(len(name) <= 80 for name in names)
    assert "--" not in names[0]


def test_a_digest_knows_everything_but_the_name(tmp_path: Path) -> None:
    config = planned(tmp_path).trials[0].config
    (tmp_path / "written.toml").write_text(dump_toml(config))
    assert digest_of(load_config(tmp_path / "written.toml").config) == digest_of(config)
    renamed = config.model_copy(update={"name": "other", "description": "other"})
    assert digest_of(renamed) == digest_of(config)
    assert digest_of(config.model_copy(update={"seed": 7})) != digest_of(config)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("title =", "titel =", r"small\.toml:3: unknown key titel; did you mean title\?"),
        ('"steps",', '"stepps",', r"small\.toml:\d+: report\.measures\[2\] must be one of "),
        ("minutes = 0.5", "minutes = -1", r"scales\.cpu\.minutes must be a number of at least 0"),
        (
            'method.name = "no_cot"',
            'curiculum.side = "left"',
            r"small\.toml:7: unknown .*curiculum.*; did you mean .*curriculum",
        ),
        (
            'method.name = "no_cot"',
            "train.batch_size = 0",
            r"small\.toml:7: train\.batch_size must be a whole number of at least 1, not 0",
        ),
        (
            'method.name = "no_cot"',
            'defaults = ["train.steps"]',
            r"small\.toml:7: defaults names 'train\.steps', which is no key of a config",
        ),
        ('base = "tiny.toml"', 'base = "dmo"', r"no config file dmo.*did you mean the sample demo"),
        (
            "[scales.cpu]",
            "[vary.size]\n[scales.cpu]",
            r'small\.toml:\d+: axis size needs a value, such as \[vary\.size\."VALUE"\]',
        ),
        ("ICoT-SI", "No  CoT", r"would be runs of the same name, small-cpu-no-cot-s0"),
        (
            "[report]",
            '[report]\nacross = "size"',
            r"names no axis: choose among method",
        ),
        (
            "[report]",
            '[report]\nbest_of = "rate"',
            r"report\.best_of names no axis: choose among method",
        ),
        (
            "[report]",
            '[report]\nbest_of = "method"\nper = "checkpoint"',
            r'report\.best_of needs report\.per = "trial"',
        ),
        ('kind = "curves"', 'kind = "points"\nx = "seconds"', r"plot needs 'seconds' among"),
        ("[plot]", '[data."2x3"]\noptions.digits = "2x3"\n[plot]', r'report\.per = "data" and'),
    ],
)
def test_mistakes_are_told_with_file_line_and_key(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        planned(tmp_path, (old, new))


def test_unknown_studies_and_scales(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no study abblation.*did you mean ablation"):
        load_study("abblation")
    with pytest.raises(UserError, match=r"there is no \[scales\.gpu\]: choose among cpu"):
        make_plan(small(tmp_path), "gpu")


def test_a_method_that_is_not_there_is_left_out_with_a_sentence(tmp_path: Path) -> None:
    plan = planned(tmp_path, ('[vary.method."ICoT-SI"]', '[vary.method."X"]\nmethod.name = "xyz"'))
    assert [trial.labels[0][1] for trial in plan.trials] == ["No CoT"]
    assert plan.skipped == ("X: left out, this version does not have the method 'xyz'",)


def test_files_are_relative_to_the_study(tmp_path: Path) -> None:
    files = 'data.train = "t.txt"\ndata.validation = "v.txt"\n'
    files += 'defaults = ["data.task", "data.options", "data.test_examples"]'
    path = write_study(tmp_path, SMALL.replace('method.name = "no_cot"', files))
    trial = make_plan(load_study(path), "cpu").trials[0]
    assert trial.config.data.train == str(tmp_path / "t.txt")


@pytest.mark.parametrize("name", NAMES)
def test_the_papers_studies_are_whole(name: str) -> None:
    assert name in resources.studies()
    study = load_study(name)
    assert study.config.name == name
    assert study.config.about
    made = {scale: make_plan(study, scale) for scale in study.config.scales}
    for scale, size in study.config.scales.items():
        plan = made[scale]
        assert plan.trials
        if needs(study.config) != {"config"}:
            assert size.minutes > 0
        if "speed" in study.config.report.measures:
            assert any(trial.config.method.name == "no_cot" for trial in plan.trials)
    assert set(study.config.scales) == {"cpu", "gpu", "paper"}


def test_every_measure_is_one_a_study_can_name() -> None:
    from typing import get_args

    from icot_tui.studies.spec import MeasureName

    assert set(MEASURES) == set(get_args(MeasureName))
