"""Published checkpoints become ordinary folders, and evaluate to the published code's losses."""

import json
import shutil

import pytest
import torch

from icot_tui.cli.app import run
from icot_tui.config import EvaluationConfig
from icot_tui.curriculum.removal import RemovalPlan, TokenFormat
from icot_tui.engine.evaluation.evaluate import evaluate
from icot_tui.methods.distillation.checkpoints import open_emulator, open_student
from icot_tui.models.supervised import SupervisedLM
from icot_tui.runs.opening import open_checkpoint
from tests.golden.checkpoints import COMPONENTS, write_checkpoints
from tests.golden.lines import multiplication_lines
from tests.golden.tokenizer import SEPARATOR
from tests.golden.values import examples, golden


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return write_checkpoints(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def convert(published):
    """Imports a published checkpoint."""

    def imported(source, out, kind, *more):
        options = [*words(published, kind), *map(str, more)]
        assert run(["import", str(published / source), "--out", str(out), *options]) == 0
        return out

    return imported


def words(published, kind):
    return ["--base", str(published / f"{kind}_base"), "--tokenizer", str(published / "tokenizer")]


def loss(folder, split, stage, plan):
    """What `eval` finds."""
    opened = open_checkpoint(folder)
    found = evaluate(
        SupervisedLM(opened.model),
        split,
        stage,
        TokenFormat(opened.tokenizer, SEPARATOR, plan),
        EvaluationConfig(samples=2),
    )
    assert found.tokens
    return found.loss


@pytest.fixture(scope="module")
def si(convert, tmp_path_factory):
    return convert("si", tmp_path_factory.mktemp("si") / "model", "si")


@pytest.fixture(scope="module", params=COMPONENTS)
def pair(request, convert, published, tmp_path_factory):
    out = tmp_path_factory.mktemp("kd") / "pair"
    convert("student", out, "kd", "--emulator", published / request.param)
    return out, COMPONENTS[request.param]


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_prefixes_that_all_names_share_are_taken_off(published, si, tmp_path, prefix):
    source = shutil.copytree(published / "si", tmp_path / "wrapped")
    tensors = torch.load(source / "state_dict.bin", weights_only=True)
    torch.save({prefix + name: tensors[name] for name in tensors}, source / "state_dict.bin")
    options = ["--out", str(tmp_path / "out"), *words(published, "si")]
    assert run(["import", str(source), *options]) == 0
    same = [folder.joinpath("model.safetensors").read_bytes() for folder in (si, tmp_path / "out")]
    assert same[0] == same[1]


def test_the_architecture_may_stand_in_the_checkpoint(published, si, tmp_path):
    source = shutil.copytree(published / "si", tmp_path / "held")
    path = source / "config.json"
    architecture = json.loads((published / "si_base" / "config.json").read_text())
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model": architecture}))
    tokenizer = ["--tokenizer", str(published / "tokenizer")]
    assert run(["import", str(source), "--out", str(tmp_path / "out"), *tokenizer]) == 0
    same = [folder.joinpath("model.safetensors").read_bytes() for folder in (si, tmp_path / "out")]
    assert same[0] == same[1]


def test_a_pointer_of_git_lfs_is_named(published, tmp_path, capsys):
    source = shutil.copytree(published / "si", tmp_path / "pointer")
    (source / "state_dict.bin").write_text("version https://git-lfs.github.com/spec/v1\n")
    options = ["--out", str(tmp_path / "out"), *words(published, "si")]
    assert run(["import", str(source), *options]) == 2
    assert "is a Git LFS pointer" in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_stepwise_evaluates_to_the_golden_losses(si):
    for row in golden("si"):
        if row["data"] == "4_by_4_mult" and not row["keep_position"] and row["tokens_removed"] < 11:
            plan = RemovalPlan(row["removal_side"])
            found = loss(si, examples(row["data"]), row["tokens_removed"], plan)
            assert found == pytest.approx(row["mean_loss"], rel=1e-5)


@pytest.mark.slow
def test_a_pair_evaluates_to_the_golden_losses(pair):
    folder, components = pair
    for row in golden("kd"):
        if row["mixture_size"] == components:
            split = examples(row["data"], row["first_example"], row["examples"])
            found = loss(folder, split, 0, RemovalPlan(answer_only=True))
            assert found == pytest.approx(row["coupled_loss"], rel=1e-5)


@pytest.mark.slow
def test_the_eval_command_measures_a_pair(pair, capsys, tmp_path):
    folder, components = pair
    data = tmp_path / "some.txt"
    data.write_bytes(multiplication_lines())
    capsys.readouterr()
    options = ["--data", str(data), "--json", "--no-speed", "--device", "cpu"]
    assert run(["eval", str(folder), *options]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = next(
        row["coupled_loss"]
        for row in golden("kd")
        if row["mixture_size"] == components and row["examples"] == 8
    )
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert found["implicit"]
    assert run(["eval", str(folder), *options, "--stage", "3"]) == 2


@pytest.mark.slow
def test_both_emulators_and_the_student_alone(convert, tmp_path):
    student = convert("student", tmp_path / "student", "kd")
    emulator = convert("emulator_mixture", tmp_path / "emulator", "kd")
    assert len(open_student(student).mlps) == 4
    assert open_emulator(emulator).mixture_components.num_embeddings == 5
    assert open_emulator(emulator).temperature == 0.05
    teacher = convert("teacher", tmp_path / "teacher", "kd")
    assert open_checkpoint(teacher).model.config.n_layer == 4


@pytest.mark.slow
def test_a_folder_with_student_and_emulator_is_a_pair(convert, published, tmp_path):
    both = tmp_path / "both"
    shutil.copytree(published / "student", both / "student")
    shutil.copytree(published / "emulator_single", both / "emulator")
    assert open_checkpoint(convert(both, tmp_path / "pair", "kd")).answer_only


@pytest.fixture
def broken(published, tmp_path):
    """A published checkpoint whose tensors can be changed."""

    def make(change):
        folder = tmp_path / "broken"
        folder.mkdir()
        source = published / "student"
        shutil.copy(source / "config.json", folder)
        tensors = torch.load(source / "state_dict.bin", weights_only=True)
        change(tensors)
        torch.save(tensors, folder / "state_dict.bin")
        return folder

    return make


@pytest.fixture
def refusal(published, tmp_path, capsys):
    """What the command says when it refuses a folder, having written nothing."""

    def refused(folder, *options):
        out = tmp_path / "out"
        options = options or words(published, "kd")
        assert run(["import", str(folder), "--out", str(out), *options]) == 2
        assert not out.exists()
        assert not list(tmp_path.glob(".writing-*"))
        return capsys.readouterr().err

    return refused


def test_what_does_not_fit_is_listed(broken, refusal):
    def change(tensors):
        tensors["mlps.9.0.weight"] = torch.zeros(2)
        del tensors["mlps.2.0.bias"]
        tensors["mlps.1.0.bias"] = torch.zeros(3)

    said = refusal(broken(change))
    assert "missing mlps.2.0.bias" in said
    assert "unknown mlps.9.0.weight" in said
    assert "mlps.1.0.bias is 3 instead of 64" in said


def test_a_pickle_with_code_is_not_run(published, refusal, tmp_path):
    class Code:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    folder = tmp_path / "broken"
    folder.mkdir()
    shutil.copy(published / "student/config.json", folder)
    torch.save({"weight": Code()}, folder / "state_dict.bin")
    assert "more than tensors" in refusal(folder)
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        b"\x80\x02X\x04\x00\x00\x00\xff\xff\xff\xff.",
        b"\x80\x02s.",
        b"\x80\x02J.",
    ],
    ids=["empty", "text", "no UTF-8", "an empty stack", "cut short"],
)
def test_a_damaged_pickle_is_refused_in_words(published, refusal, tmp_path, content):
    folder = tmp_path / "broken"
    folder.mkdir()
    shutil.copy(published / "student/config.json", folder)
    (folder / "state_dict.bin").write_bytes(content)
    assert "is damaged" in refusal(folder)


def test_mistakes_are_told(published, refusal, tmp_path):
    assert "there is no folder" in refusal(tmp_path / "nothing")
    teacher = published / "teacher"
    told = refusal(teacher, *words(published, "kd"), "--emulator", str(published / "student"))
    assert "teacher holds the language model and" in told and "student the student" in told
    assert "a published checkpoint has it beside" in refusal(tmp_path)
    base, tokenizer = words(published, "kd")[:2], words(published, "kd")[2:]
    told = refusal(teacher, *base, "--tokenizer", str(tmp_path))
    assert "--tokenizer needs one with tokenizer.json" in told
    told = refusal(teacher, "--base", str(tmp_path), *tokenizer)
    assert "no architecture can be read" in told
    there = tmp_path / "there"
    there.mkdir()
    assert run(["import", str(teacher), "--out", str(there), *base, *tokenizer]) == 2


@pytest.mark.slow
def test_an_imported_model_can_be_trained_on(si, published, tmp_path):
    from tests.tiny import tiny, train_new

    lines = tmp_path / "lines.txt"
    lines.write_bytes(multiplication_lines())
    config = tiny(
        model={"pretrained": str(si)},
        data={
            "task": None,
            "options": {},
            "train": str(lines),
            "validation": str(lines),
            "train_examples": 8,
            "validation_examples": 4,
            "tokenizer": str(published / "tokenizer"),
        },
        train={"max_steps": 2, "decay_steps": 0},
        evaluation={"every_steps": 2},
    )
    folder = train_new(tmp_path, config)
    assert list(folder.checkpoints.glob("step-*"))
