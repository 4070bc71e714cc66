"""A real server on loopback is asked: answers, failures, budgets."""

import shutil
import sys
import threading
from pathlib import Path

import pytest

from icot_tui.cli.app import run
from icot_tui.config import load_config
from icot_tui.config.loading import dump_toml
from icot_tui.engine.evaluation.samples import read_samples
from icot_tui.engine.journal.events import (
    Evaluated,
    QuestionsAsked,
    RunEnded,
    RunStarted,
    Warned,
)
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.loop.commands import CommandQueue, Stop
from icot_tui.errors import UserError
from icot_tui.methods.prompted.config import PromptedConfig
from icot_tui.methods.prompted.endpoint import Endpoint as Client
from icot_tui.methods.prompted.endpoint import sent_openly
from icot_tui.runs.new_run import create_run
from icot_tui.runs.session import run_training
from icot_tui.studies.exporting import model_card
from tests.methods.prompted.asked import Output, ask, asking, last
from tests.methods.prompted.endpoint import KEY, Endpoint, calculate


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


@pytest.mark.parametrize("question", [3, 10])
def test_it_ends_when_its_folder_is_deleted(endpoint: Endpoint, question: int) -> None:
    folder = create_run(asking(endpoint, batch_size=1), Path("runs"))

    def speak(asked: str) -> str:
        if len(endpoint.requests) == question:
            shutil.rmtree(folder.path)
        return calculate(asked)

    endpoint.speak = speak
    ended = run_training(folder, CommandQueue(folder.control))
    assert not ended.finished and not folder.path.exists()
    assert len(endpoint.requests) == question
    gone = f"the run's folder {folder.path} was deleted: start it again with 'icot-tui train'"
    assert ended.reason == f"stopped, what was answered is kept: {gone}"


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


@pytest.mark.parametrize(
    ("address", "variable", "told"),
    [
        ("http://models.example.org/v1", "THE_KEY", True),
        ("https://models.example.org/v1", "THE_KEY", False),
        ("http://models.example.org/v1", "", False),
        ("http://127.0.0.1:9/v1", "THE_KEY", False),
        ("http://localhost/v1", "THE_KEY", False),
    ],
)
def test_a_key_that_others_can_read_on_its_way_is_told(
    address: str, variable: str, told: bool
) -> None:
    said = sent_openly(PromptedConfig(model="m", endpoint=address, key_variable=variable))
    assert (said is not None) == told
    assert said is None or "$THE_KEY is sent to http://models.example.org/v1 unencrypted" in said
