from icot_tui.engine.journal.events import ExampleShown
from icot_tui.engine.journal.journal import JournalReader
from tests.tiny import tiny, train_new


def test_a_run_shows_an_example_whose_tokens_make_up_its_text(tmp_path):
    config = tiny(train={"max_steps": 1}, curriculum={"side": "right"})
    folder = train_new(tmp_path, config)
    events = [event for _, event in JournalReader(folder.journal).events()]
    (shown,) = [event for event in events if isinstance(event, ExampleShown)]
    assert "*" in shown.input
    assert "+" in shown.cot
    assert "".join(shown.answer).startswith("####")
    a, b = "".join(shown.input).split("*")
    product = int(a[::-1]) * int(b[::-1])
    assert int("".join(shown.answer).removeprefix("####")[::-1]) == product
    assert shown.removal_order == list(reversed(range(len(shown.cot))))
