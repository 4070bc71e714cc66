"""Published checkpoints become ordinary folders, and evaluate to the published code's losses."""

import json
import shutil

import pytest
import torch

from icot_tui.cli.app import run
from icot_tui.config import EvaluationConfig
from icot_tui.curriculum.removal import RemovalPlan
from icot_tui.curriculum.token_format import TokenFormat
from icot_tui.data.chunks import Chunk
from icot_tui.data.encoding import Encoder
from icot_tui.engine.checkpoints.checkpoint import open_checkpoint
from icot_tui.engine.checkpoints.parts import open_emulator, open_student
from icot_tui.engine.evaluation.evaluate import evaluate
from icot_tui.models.supervised import SupervisedLM
from tests.shared import shared


def words(kind):
    base = str(shared(f"golden/{kind}/base_config"))
    return ["--base", base, "--tokenizer", str(shared("data/gpt2_tokenizer"))]


def imported(source, out, kind, *more):
    assert run(["import", str(source), "--out", str(out), *words(kind), *map(str, more)]) == 0
    return out


def loss(folder, data, first, count, stage, plan):
    """What `eval` finds."""
    opened = open_checkpoint(folder)
    lines = shared("data", data).read_bytes().splitlines(keepends=True)[first : first + count]
    split = Encoder(opened.tokenizer).encode(Chunk(b"".join(lines), data, 1))
    found = evaluate(
        SupervisedLM(opened.model), split, stage, TokenFormat(opened.tokenizer, 50256, plan),
        EvaluationConfig(samples=2),
    )  # fmt: skip
    assert found.tokens
    return found.loss


@pytest.fixture(scope="module")
def si(tmp_path_factory):
    out = tmp_path_factory.mktemp("si") / "model"
    return imported(shared("golden/si/checkpoint"), out, "si")


@pytest.fixture(scope="module", params=[1, 5], ids=["single", "mixture"])
def pair(request, tmp_path_factory):
    name = {1: "emulator_single", 5: "emulator_mixture"}[request.param]
    out = tmp_path_factory.mktemp("kd") / "pair"
    emulator = shared("golden/kd", name)
    imported(shared("golden/kd/student"), out, "kd", "--emulator", emulator)
    return out, request.param


def test_stepwise_evaluates_to_the_golden_losses(si):
    rows = json.loads(shared("golden/si/losses.json").read_text())
    rows = [row for row in rows if "4_by_4" in row["data"] and not row["keep_position"]]
    assert rows
    for row in rows[:4]:
        plan = RemovalPlan(row["removal_side"])
        found = loss(si, row["data"], 0, 8, row["tokens_removed"], plan)
        assert found == pytest.approx(row["mean_loss"], rel=1e-5)


def test_a_pair_evaluates_to_the_golden_losses(pair):
    folder, components = pair
    for row in json.loads(shared("golden/kd/values.json").read_text()):
        if row["mixture_size"] == components:
            found = loss(
                folder, row["data"], row["first_example"], row["examples"], 0,
                RemovalPlan(answer_only=True),
            )  # fmt: skip
            assert found == pytest.approx(row["coupled_loss"], rel=1e-5)


def test_the_eval_command_measures_a_pair(pair, capsys, tmp_path):
    folder, _ = pair
    data = tmp_path / "some.txt"
    lines = shared("data/4_by_4_mult/valid.txt").read_bytes().splitlines(keepends=True)[:8]
    data.write_bytes(b"".join(lines))
    capsys.readouterr()
    options = ["--data", str(data), "--json", "--no-speed", "--device", "cpu"]
    assert run(["eval", str(folder), *options]) == 0
    found = json.loads(capsys.readouterr().out)
    golden = json.loads(shared("golden/kd/values.json").read_text())
    expected = next(
        row["coupled_loss"]
        for row in golden
        if row["mixture_size"] == pair[1] and row["examples"] == 8
    )
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert found["implicit"]
    assert run(["eval", str(folder), *options, "--stage", "3"]) == 2


def test_both_emulators_and_the_student_alone(tmp_path):
    student = imported(shared("golden/kd/student"), tmp_path / "student", "kd")
    emulator = imported(shared("golden/kd/emulator_mixture"), tmp_path / "emulator", "kd")
    assert len(open_student(student).mlps) == 4
    assert open_emulator(emulator).mixture_components.num_embeddings == 5
    assert open_emulator(emulator).temperature == 0.05
    teacher = imported(shared("golden/kd/teacher"), tmp_path / "teacher", "kd")
    assert open_checkpoint(teacher).model.config.n_layer == 4


def test_a_folder_with_student_and_emulator_is_a_pair(tmp_path):
    both = tmp_path / "both"
    shutil.copytree(shared("golden/kd/student"), both / "student")
    shutil.copytree(shared("golden/kd/emulator_single"), both / "emulator")
    assert open_checkpoint(imported(both, tmp_path / "pair", "kd")).answer_only


@pytest.fixture
def broken(tmp_path):
    """A published checkpoint whose tensors can be changed."""

    def make(change):
        folder = tmp_path / "broken"
        folder.mkdir()
        source = shared("golden/kd/student")
        shutil.copy(source / "config.json", folder)
        tensors = torch.load(source / "state_dict.bin", weights_only=True)
        change(tensors)
        torch.save(tensors, folder / "state_dict.bin")
        return folder

    return make


def refusal(folder, tmp_path, capsys, *options):
    out = tmp_path / "out"
    assert run(["import", str(folder), "--out", str(out), *(options or words("kd"))]) == 2
    assert not out.exists()
    assert not list(tmp_path.glob(".importing-*"))
    return capsys.readouterr().err


def test_what_does_not_fit_is_listed(broken, tmp_path, capsys):
    def change(tensors):
        tensors["mlps.9.0.weight"] = torch.zeros(2)
        del tensors["mlps.2.0.bias"]
        tensors["mlps.1.0.bias"] = torch.zeros(3)

    said = refusal(broken(change), tmp_path, capsys)
    assert "missing mlps.2.0.bias" in said
    assert "unknown mlps.9.0.weight" in said
    assert "mlps.1.0.bias is 3 instead of 64" in said


def test_a_pickle_with_code_is_not_run(tmp_path, capsys):
    class Code:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    folder = tmp_path / "broken"
    folder.mkdir()
    shutil.copy(shared("golden/kd/student/config.json"), folder)
    torch.save({"weight": Code()}, folder / "state_dict.bin")
    assert "more than tensors" in refusal(folder, tmp_path, capsys)
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
def test_a_damaged_pickle_is_refused_in_words(tmp_path, capsys, content):
    folder = tmp_path / "broken"
    folder.mkdir()
    shutil.copy(shared("golden/kd/student/config.json"), folder)
    (folder / "state_dict.bin").write_bytes(content)
    assert "is damaged" in refusal(folder, tmp_path, capsys)


def test_mistakes_are_told(tmp_path, capsys):
    assert "there is no folder" in refusal(tmp_path / "nothing", tmp_path, capsys)
    teacher = shared("golden/kd/teacher")
    options = [*words("kd"), "--emulator", str(shared("golden/kd/student"))]
    told = refusal(teacher, tmp_path, capsys, *options)
    assert "teacher holds the language model and" in told and "student the student" in told
    assert "a published checkpoint has it beside" in refusal(tmp_path, tmp_path, capsys)
    options = [*words("kd")[:2], "--tokenizer", str(tmp_path)]
    assert "--tokenizer needs one with tokenizer.json" in refusal(
        teacher, tmp_path, capsys, *options
    )
    options = ["--base", str(tmp_path), *words("kd")[2:]]
    assert "no architecture can be read" in refusal(teacher, tmp_path, capsys, *options)
    (tmp_path / "there").mkdir()
    assert run(["import", str(teacher), "--out", str(tmp_path / "there"), *words("kd")]) == 2


def test_an_imported_model_can_be_trained_on(si, tmp_path):
    from tests.tiny import tiny, train_new

    config = tiny(
        model={"pretrained": str(si)},
        data={
            "task": None,
            "options": {},
            "train": str(shared("data/4_by_4_mult/valid.txt")),
            "validation": str(shared("data/4_by_4_mult/valid.txt")),
            "train_examples": 16,
            "validation_examples": 4,
            "tokenizer": str(shared("data/gpt2_tokenizer")),
        },
        train={"max_steps": 2, "decay_steps": 0},
        evaluation={"every_steps": 2},
    )
    folder = train_new(tmp_path, config)
    assert list(folder.checkpoints.glob("step-*"))
