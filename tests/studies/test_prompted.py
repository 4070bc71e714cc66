"""Prompted baselines: a real server on loopback answers, and a real local model is asked."""

import json
import re
import shlex
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import torch

from icot_tui.cli.app import run
from icot_tui.config import RunConfig, check_run, load_config
from icot_tui.config.loading import dump_toml
from icot_tui.data.examples import Example
from icot_tui.engine.evaluation.samples import read_samples
from icot_tui.engine.journal.events import (
    Evaluated,
    Event,
    QuestionsAsked,
    RunEnded,
    RunStarted,
    Warned,
)
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.loop.commands import CommandQueue, Stop
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.methods.prompted.endpoint import Endpoint as Client
from icot_tui.methods.prompted.local import LocalModel
from icot_tui.methods.prompted.prompts import as_text, conversation, read_questions
from icot_tui.methods.prompted.replies import is_right, read_answer
from icot_tui.runs.new_run import create_run
from icot_tui.runs.session import run_training
from icot_tui.studies.exporting import model_card
from icot_tui.studies.plan import digest_of, make_plan
from icot_tui.studies.spec import load_study
from tests.studies.endpoint import KEY, Endpoint, calculate, served
from tests.studies.small import BASE, SMALL, write_study

Output = pytest.CaptureFixture[str]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with served() as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICOT_TUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ICOT_TUI_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)


def config(**prompted: Any) -> RunConfig:
    raw = BASE | {"name": "asked", "method": {"name": "prompted"}, "prompted": prompted}
    return check_run(raw)


def asking(served: Endpoint, **prompted: Any) -> RunConfig:
    plain = {"model": "calculator", "endpoint": served.url, "shots": 2, "batch_size": 2}
    return config(**(plain | prompted))


def ask(what: RunConfig | RunFolder) -> tuple[RunFolder, list[Event]]:
    """A new run, or one to go on with, carried out in this process: its folder and its news."""
    folder = what if isinstance(what, RunFolder) else create_run(what, Path("runs"))
    news: list[Event] = []
    run_training(folder, CommandQueue(folder.control), news.append)
    journaled = [event for _, event in JournalReader(folder.journal).events()]
    assert list(map(type, journaled))[-len(news) :] == list(map(type, news))
    return folder, news


def last(news: list[Event], kind: type[Any]) -> Any:
    return [event for event in news if isinstance(event, kind)][-1]


# --- prompts and answers ---


def test_numbers_are_shown_as_people_write_them() -> None:
    asked = config(model="m", shots=3, cot=True)
    assert asked.prompted is not None
    questions = read_questions(asked.data, asked.prompted, seed=0)
    assert (len(questions.shots), len(questions.asked), questions.split) == (3, 10, "test")
    for example in (*questions.shots, *questions.asked):
        a, b = map(int, re.fullmatch(r"(\d\d) \* (\d\d)", example.input).groups())  # type: ignore[union-attr]
        assert example.answer == str(a * b)
        assert [int(n) for n in example.cot.split(" + ")] == [a * (b % 10), a * (b // 10) * 10]
    others = read_questions(asked.data, asked.prompted, seed=1)
    assert others.shots != questions.shots
    assert others.asked == questions.asked
    raw = asked.prompted.model_copy(update={"form": "raw"})
    example = read_questions(asked.data, raw, seed=0).asked[0]
    assert re.fullmatch(r"\d \d \* \d \d", example.input)
    assert re.fullmatch(r"\d \d \d \d", example.answer)


def test_a_conversation_shows_the_examples_and_then_asks() -> None:
    shots = [Example("12 * 34", "48 + 360", "408")]
    messages = conversation(shots, "56 * 78", cot=True)
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[0]["content"].endswith("\n\n12 * 34")
    assert messages[1]["content"] == "48 + 360 #### 408"
    assert conversation(shots, "56 * 78", cot=False)[1]["content"] == "#### 408"
    assert as_text(messages).endswith(
        "\n\nQuestion: 12 * 34\nAnswer: 48 + 360 #### 408\n\nQuestion: 56 * 78\nAnswer:"
    )
    assert as_text(conversation([], "1 * 2", cot=False)).endswith("\n\nQuestion: 1 * 2\nAnswer:")


@pytest.mark.parametrize(
    ("text", "gold", "read"),
    [
        ("48 + 360 #### 408", "408", "408"),
        ("#### Step 1\nnothing\n#### The answer: $1,408.00", "1408", "1,408.00"),
        ("#### 4 0 8", "408", "408"),
        ("So it is \\boxed{408}.", "408", "408"),
        ("The answer is **408**, since 400 + 8.", "408", "408"),
        ("12 * 34 = 408", "408", "408"),
        ("10-3 = -7", "-7", "-7"),
        ("#### Yes.", "yes", "Yes"),
        ("I cannot say.", "408", None),
        ("", "408", None),
    ],
)
def test_answers_are_read_leniently(text: str, gold: str, read: str | None) -> None:
    assert read_answer(text, gold, cut=False) == read
    assert is_right(read, gold) == (read is not None)


def test_nothing_is_guessed_from_a_text_that_was_cut_off() -> None:
    assert read_answer("48 + 360", "360", cut=True) is None
    assert read_answer("48 + 360 #### 408 because", "408", cut=True) == "408"
    assert not is_right("0408", "4080")
    assert is_right("0408", "408")


def test_numbers_written_digit_by_digit_are_compared_so() -> None:
    assert is_right("804", "8 0 4")
    assert is_right("8 0 4", "8 0 4")
    assert not is_right("0804", "8 0 4")
    assert not is_right("8", "0 8")
    assert not is_right("804", "8 0 4 0")


# --- an endpoint ---


def test_an_address_with_a_password_would_be_written_down_with_it() -> None:
    with pytest.raises(UserError, match=r"prompted\.endpoint"):
        load_config("demo", ["prompted.model=m", "prompted.endpoint=https://me:secret@host/v1"])


def test_an_endpoint_is_asked_and_its_answers_judged(endpoint: Endpoint, capsys: Output) -> None:
    endpoint.speak = lambda question: calculate(question) if question[0] < "5" else "Who knows?"
    folder, news = ask(asking(endpoint, cot=True, max_new_tokens=77))
    started, told = last(news, RunStarted), last(news, QuestionsAsked)
    result, ended = last(news, Evaluated), last(news, RunEnded)
    assert started.method == "calculator prompted, 2-shot CoT"
    assert (told.asked, told.questions, told.kept) == (10, 10, 0)
    assert 0 < told.right < 10
    assert told.unread == 10 - told.right
    assert result.exact_match == told.right / 10
    assert result.low < result.exact_match < result.high
    assert ended.finished
    samples = read_samples(folder.samples / result.samples)
    assert len(samples) == 10
    assert sum(sample.correct for sample in samples) == told.right
    assert {sample.model_answer for sample in samples if not sample.correct} == {None}

    assert len(endpoint.requests) == 10
    body = endpoint.requests[0]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("calculator", 0, 77)
    assert len(body["messages"]) == 5
    assert told.written_tokens == 100
    assert ended.reason == "all 10 questions of the test split were asked"

    assert run(["runs", "show"]) == run(["runs", "list"]) == 0
    shown = capsys.readouterr().out
    assert "10 of 10 questions asked" in shown
    assert "0 of 0" not in shown


def test_the_key_is_kept_nowhere(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    path = tmp_path / "asked.toml"
    path.write_text(dump_toml(asking(endpoint)))
    endpoint.failures = [400]
    assert run(["train", str(path)]) == 1
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\r\n")  # as some files of settings end their lines
    assert run(["train", str(path)]) == 0
    for wrong in (f"{KEY}\nmore", f"{KEY} more", f"{KEY}é"):
        monkeypatch.setenv("OPENAI_API_KEY", wrong)
        assert run(["train", str(path)]) == 2
        output = capsys.readouterr()
        assert "$OPENAI_API_KEY holds no key" in output.err
        assert KEY not in output.out + output.err
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 10
    assert not any(KEY.encode() in file.read_bytes() for file in files)


def test_answers_that_were_cut_off_are_not_guessed_at(endpoint: Endpoint) -> None:
    endpoint.cut, endpoint.speak = True, lambda question: calculate(question).split(" #### ")[0]
    told = last(ask(asking(endpoint, cot=True))[1], QuestionsAsked)
    assert (told.asked, told.unread, told.right) == (10, 10, 0)


def test_who_leaves_does_not_wait_for_answers(endpoint: Endpoint) -> None:
    release, late = threading.Event(), []

    def speak(question: str) -> str:
        if question == "slow":
            release.wait(20)
            late.append(question)
        return question

    endpoint.speak = speak
    prompted = asking(endpoint).prompted
    assert prompted is not None
    asked = [[{"role": "user", "content": question}] for question in ("slow", "quick")]
    answers = Client(prompted).answer(asked)
    assert next(answers)[1].text == "quick"
    answers.close()  # type: ignore[attr-defined]
    assert late == []
    release.set()


def test_failures_that_pass_are_tried_again(endpoint: Endpoint) -> None:
    endpoint.failures = [429, 500, 503]
    _, news = ask(asking(endpoint))
    assert last(news, Evaluated).exact_match == 1.0
    assert len(endpoint.requests) == 10


def test_what_was_answered_is_never_asked_again(endpoint: Endpoint) -> None:
    ask(asking(endpoint, examples=4))
    assert len(endpoint.requests) == 4
    folder = create_run(asking(endpoint), Path("runs"))
    endpoint.failures = [400]  # of two requests in flight: the other one is answered and kept
    with pytest.raises(UserError, match=r"refuses \(status 400\).*not now"):
        ask(folder)
    assert len(endpoint.requests) == 5
    _, news = ask(folder)
    told = last(news, QuestionsAsked)
    assert (told.asked, told.kept, len(endpoint.requests)) == (10, 5, 10)
    assert last(news, Evaluated).examples == 10
    _, again = ask(asking(endpoint, max_requests=50))
    assert last(again, QuestionsAsked).kept == len(endpoint.requests) == 10
    assert last(again, QuestionsAsked).written_tokens == 100


@pytest.mark.parametrize(
    ("budget", "asked"), [({"max_requests": 3}, 3), ({"max_tokens": 60, "batch_size": 1}, 2)]
)
def test_a_budget_keeps_what_it_paid_for(
    endpoint: Endpoint, budget: dict[str, int], asked: int
) -> None:
    folder, news = ask(asking(endpoint, **budget))
    assert len(endpoint.requests) == asked
    assert last(news, Evaluated).examples == asked
    ended = last(news, RunEnded)
    assert ended.finished
    assert f"rests on the first {asked} of 10 questions" in ended.reason
    assert last(news, Warned).message == ended.reason
    assert len(read_samples(folder.samples / last(news, Evaluated).samples)) == asked


def test_it_stops_when_told_to(endpoint: Endpoint) -> None:
    asked = asking(endpoint, batch_size=1)
    folder = create_run(asked, Path("runs"))
    commands = CommandQueue(folder.control)

    def speak(question: str) -> str:
        if len(endpoint.requests) == 3:
            commands.put(Stop())
        return calculate(question)

    endpoint.speak = speak
    ended = run_training(folder, commands)
    assert not ended.finished
    assert len(endpoint.requests) == 3
    told = [event for _, event in JournalReader(folder.journal).events()]
    assert last(told, QuestionsAsked).asked == 3
    assert run_training(folder, CommandQueue(folder.control)).finished
    assert len(endpoint.requests) == 10


def test_mistakes_are_told_in_one_sentence(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_KEY", "wrong")
    with pytest.raises(UserError, match=r"refuses the key in \$OTHER_KEY"):
        ask(asking(endpoint, key_variable="OTHER_KEY"))
    with pytest.raises(UserError, match=r"/v1/v2 refuses \(status 404\)"):
        ask(asking(endpoint, endpoint=endpoint.url + "/v2"))
    for nonsense in (b'{"hello": "world"}', b'{"choices": [', b"[]"):
        endpoint.broken = nonsense
        with pytest.raises(UserError, match="does not answer as OpenAI's API does"):
            ask(asking(endpoint))
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9/v1 cannot be reached"):
        ask(asking(endpoint, endpoint="http://127.0.0.1:9/v1", retries=0))
    with pytest.raises(UserError, match=r"shots is 60, but there are only 50 training examples"):
        ask(asking(endpoint, shots=60))
    with monkeypatch.context() as launched:
        launched.setenv("WORLD_SIZE", "2")
        with pytest.raises(UserError, match="without a launcher"):
            ask(asking(endpoint))
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match="needs a key: set the environment variable OPENAI_API_KEY"):
        ask(asking(endpoint))
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(UserError, match=r"pip install 'icot-tui\[prompted\]'"):
        ask(asking(endpoint))
    assert endpoint.requests == []


def test_a_wrong_section_is_told_with_its_key(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "asked.toml"
    path.write_text(tomli_w.dumps(BASE | {"method": {"name": "prompted"}}))
    assert run(["config", "check", str(path)]) == 2
    assert "needs a section [prompted] with a model" in capsys.readouterr().err
    assert run(["config", "check", str(path), "--set", "prompted.modle=x"]) == 2
    assert "unknown key prompted.modle; did you mean" in capsys.readouterr().err
    assert run(["config", "check", str(path), "--set", "prompted.model=x"]) == 0


def test_config_new_explains_the_section(tmp_path: Path, capsys: Output) -> None:
    assert run(["config", "new", "mine"]) == 0
    text = (tmp_path / "mine.toml").read_text()
    before, section = text.split("#[prompted]")
    assert "# None" not in before
    keys = [f"{line[1:]}\n" for line in section.splitlines() if re.match(r"#\w+ = .", line)]
    (tmp_path / "mine.toml").write_text(f'{before}[prompted]\nmodel = "m"\n{"".join(keys)}')
    found = load_config("mine.toml", ["method.name=prompted"]).config.prompted
    assert found == config(model="m").prompted


def test_trainings_have_the_digest_that_they_had() -> None:
    plain = check_run(BASE | {"name": "a"})
    assert "prompted" not in dump_toml(plain)
    before = "85a87e93340852104a9076bf"  # of the version that did not know the section
    assert digest_of(plain) == before
    asked = config(model="m")
    assert digest_of(asked) != digest_of(config(model="n"))
    Path("asked.toml").write_text(dump_toml(asked))
    assert digest_of(load_config("asked.toml").config) == digest_of(asked)


# --- a local model ---


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A small model with random weights and a tokenizer of bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE({symbol: n for n, symbol in enumerate(alphabet)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|end|>")
    torch.manual_seed(0)  # weights by chance may end an answer at once
    sizes = {"n_layer": 1, "n_head": 1, "n_embd": 8, "n_positions": 400}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), eos_token_id=256, **sizes))
    folder = tmp_path / "local"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_local_model_is_asked_in_batches_as_one_by_one(local: Path) -> None:
    asked = {"model": str(local), "shots": 1, "max_new_tokens": 6, "examples": 5}
    found = []
    for size in (1, 4):
        folder, news = ask(config(**asked, batch_size=size))
        result = last(news, Evaluated)
        assert result.examples == 5
        found.append([s.model_cot for s in read_samples(folder.samples / result.samples)])
        assert last(news, QuestionsAsked).kept == (0 if size == 1 else 5)
    assert found[0] == found[1]
    (local / "README").write_text("another version")
    folder, news = ask(config(**asked, batch_size=4))
    assert last(news, QuestionsAsked).kept == 0, "the folder changed"
    assert [s.model_cot for s in read_samples(folder.samples / "step-00000000.jsonl")] == found[0]
    assert any(found[0])


def test_a_local_model_reads_so_much_only(local: Path) -> None:
    with pytest.raises(UserError, match=r"reads 400: lower prompted\.shots"):
        ask(config(model=str(local), shots=20))


def test_a_chat_model_is_asked_through_its_template(local: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(local)
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}<assistant>"
    )
    tokenizer.save_pretrained(local)
    _, news = ask(config(model=str(local), shots=0, max_new_tokens=3, examples=2))
    told = last(news, QuestionsAsked)
    instruction = "Answer the question. Without any steps, write only #### and the answer."
    text = f"<user>{instruction}\n\n12 * 34<assistant>"
    assert told.prompt_tokens == 2 * len(text)


def test_a_local_model_is_asked_greedily_whatever_comes_with_it(local: Path) -> None:
    """Its own settings may penalize repetitions, and name further tokens that end an answer."""
    asked = {"model": str(local), "shots": 1, "max_new_tokens": 6, "examples": 3}
    folder, news = ask(config(**asked))
    written = [s.model_cot for s in read_samples(folder.samples / last(news, Evaluated).samples)]
    settings = {"do_sample": True, "repetition_penalty": 9.0, "num_beams": 2}
    (local / "generation_config.json").write_text(json.dumps(settings | {"eos_token_id": [256]}))
    folder, news = ask(config(**asked))
    assert last(news, QuestionsAsked).kept == 0
    again = [s.model_cot for s in read_samples(folder.samples / last(news, Evaluated).samples)]
    assert again == written


def test_a_local_answer_that_ends_with_any_of_the_ends_is_whole(local: Path) -> None:
    asked = {"model": str(local), "shots": 1, "max_new_tokens": 4, "batch_size": 1, "examples": 1}
    (local / "generation_config.json").write_text('{"eos_token_id": 256}')
    model = LocalModel(config(**asked), torch.device("cpu"))
    question = [[{"role": "user", "content": "12 * 34"}]]
    [(_, reply)] = model.answer(question)
    assert (reply.cut, reply.written_tokens) == (True, 4)
    first = int(model._continue(model._encode(question))[0, 0])
    (local / "generation_config.json").write_text(json.dumps({"eos_token_id": [256, first]}))
    [(_, reply)] = LocalModel(config(**asked), torch.device("cpu")).answer(question)
    assert (reply.cut, reply.written_tokens) == (False, 0)


# --- as rows of a study ---

PROMPTED = """
[vary.method."Calculator"]
method.name = "prompted"
prompted = {{ model = "calculator", endpoint = "{url}", shots = 1, max_requests = 4 }}

[vary.method."Calculator CoT"]
method.name = "prompted"
prompted = {{ model = "calculator", endpoint = "{url}", shots = 1, cot = true }}

[scales.cpu]"""


@pytest.mark.slow
def test_they_are_rows_like_any_other(endpoint: Endpoint, tmp_path: Path, capsys: Output) -> None:
    text = SMALL.replace("[scales.cpu]", PROMPTED.format(url=endpoint.url))
    for removed in ('[vary.method."No CoT"]\nmethod.name = "no_cot"', '[vary.method."ICoT-SI"]'):
        assert removed in text
        text = text.replace(removed, "")
    text = text.replace('kind = "curves"', 'kind = "bars"')
    path = write_study(tmp_path, text)
    assert run(["study", str(path), "--jobs", "2"]) == 0
    output = capsys.readouterr().out
    folder = tmp_path / "runs" / "studies" / "small-cpu"
    results = json.loads((folder / "results.json").read_text())
    values = {group["labels"]["method"]: group["values"] for group in results["table"]}
    assert values["Calculator"]["exact_match"]["mean"] == 1.0
    assert values["Calculator CoT"]["exact_match"]["mean"] == 1.0
    assert values["Calculator CoT"]["speed"] is None
    assert "rests on the first 4 of 10 questions" in output
    assert "95 % interval 0.510 to 1.000 on 4 questions" in output
    assert (results["cost"]["replies"], results["cost"]["runs"]) == (14, 2)
    assert results["cost"]["tokens"] > 140
    assert "14 replies" in (folder / "table.md").read_text()
    assert len(endpoint.requests) == 14

    # Again, all is there: nothing is asked.
    assert run(["study", str(path)]) == 0
    assert len(endpoint.requests) == 14


def test_the_printed_command_asks_the_same(tmp_path: Path) -> None:
    text = SMALL.replace("[scales.cpu]", PROMPTED.format(url="http://127.0.0.1:9/v1"))
    trials = make_plan(load_study(write_study(tmp_path, text)), "cpu").trials[2:]
    assert [trial.labels[0][1] for trial in trials] == ["Calculator", "Calculator CoT"]
    for trial in trials:
        _, _, base, *options = shlex.split(trial.command)
        assert digest_of(load_config(base, options[3::2]).config) == trial.digest


def test_a_folder_is_relative_to_the_study_that_names_it(tmp_path: Path) -> None:
    text = SMALL.replace("[scales.cpu]", PROMPTED.format(url="http://127.0.0.1:9/v1"))
    text = text.replace('model = "calculator"', 'model = "./models/own"')
    (tmp_path / "elsewhere").mkdir()
    trials = make_plan(load_study(write_study(tmp_path / "elsewhere", text)), "cpu").trials
    asked = trials[2].config.prompted
    assert asked is not None
    assert asked.model == str(tmp_path / "elsewhere" / "models" / "own")
    _, _, base, *options = shlex.split(trials[2].command)
    assert digest_of(load_config(base, options[3::2]).config) == trials[2].digest


def test_there_is_no_model_card_of_a_model_that_was_only_asked(endpoint: Endpoint) -> None:
    folder = create_run(asking(endpoint), Path("runs"))
    endpoint.failures = [400] * 2
    with pytest.raises(UserError, match="refuses"):
        ask(folder)
    with pytest.raises(UserError, match="only prompted a model"):
        model_card(folder)
    ask(folder)
    with pytest.raises(UserError, match="only prompted a model"):
        model_card(folder)


@pytest.mark.parametrize("name", ["table2", "table3"])
def test_the_papers_tables_ask_nobody_unless_told_to(name: str) -> None:
    study = load_study(name)
    assert "prompted" not in study.config.model_dump_json()
    assert 'method.name = "prompted"' in study.text
