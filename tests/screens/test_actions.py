"""The table of actions: complete, without clashes, and everything else is made from it."""

from pathlib import Path

import pytest

from icot_tui.engine.loop.commands import COMMANDS
from icot_tui.errors import UserError
from icot_tui.tui.actions.handlers import HANDLERS
from icot_tui.tui.actions.keymap import NEEDED, TAKEN, key_map, shown, textual_name
from icot_tui.tui.actions.table import ACTIONS, BY_NAME, GROUPS
from icot_tui.tui.app.settings import load_settings
from icot_tui.tui.frame.footer import hints
from icot_tui.tui.panels.text import text_of
from icot_tui.tui.screens.help import help_lines
from icot_tui.tui.screens.palette import matching


def test_names_and_keys_are_unique_and_every_action_has_a_key_and_words() -> None:
    assert len(BY_NAME) == len(ACTIONS)
    keys = [key for chosen in key_map().values() for key in chosen]
    assert len(keys) == len(set(keys))
    for action in ACTIONS:
        assert key_map()[action.name], action.name
        assert action.label and action.help.endswith("."), action.name
        assert action.group in GROUPS


def test_no_default_key_is_one_that_tmux_screen_or_vs_code_takes() -> None:
    keys = {key for chosen in key_map().values() for key in chosen}
    assert not keys & set(TAKEN)
    assert not keys & {"enter", "tab", "shift+tab", "up", "down"}
    assert {key for key in keys if key.startswith(("ctrl+", "alt+", "f1"))} <= {"ctrl+c", "ctrl+z"}


def test_every_command_of_the_engine_has_an_action() -> None:
    named = {"set-delta", "set-lr", "reset-optimizer", "pause", "hold", "advance", "rollback"}
    named |= {"evaluate", "save", "stop"}
    with_command = {action.name for action in ACTIONS if action.needs_control}
    assert with_command == named
    assert set(COMMANDS) == named | {"resume"}  # which the key for pause does, too


def test_every_action_is_done_somewhere_and_only_once() -> None:
    for action in ACTIONS:
        ways = [
            action.needs_control,
            bool(action.chart),
            bool(action.panel),
            action.name in HANDLERS,
        ]
        assert sum(ways) == 1, action.name
    assert HANDLERS.keys() <= BY_NAME.keys()


def test_what_changes_the_run_is_asked_or_confirmed_first() -> None:
    harmless = {"pause", "evaluate", "save"}
    for action in ACTIONS:
        if action.needs_control and action.name not in harmless:
            assert action.meaning or action.question == "stop", action.name


def test_palette_lists_every_action_and_finds_by_a_few_letters() -> None:
    assert matching(ACTIONS, "  ") == list(ACTIONS)
    assert matching(ACTIONS, "rollb")[0].name == "rollback"
    assert matching(ACTIONS, "optimizer")[0].name == "reset-optimizer"
    assert matching(ACTIONS, "zzzz") == []


def test_help_has_every_key_and_sentence() -> None:
    text = "\n".join(text_of(line) for line in help_lines(ACTIONS, key_map(), 200))
    for action in ACTIONS:
        assert action.help in text
        assert shown(key_map()[action.name][0]) in text
    assert all(len(text_of(line)) <= 60 for line in help_lines(ACTIONS, key_map(), 60))


def test_footer_has_the_most_important_first_and_never_more_than_fits() -> None:
    for width in (0, 10, 48, 118, 300):
        found = hints(ACTIONS, key_map(), width)
        assert all(hint.end <= width for hint in found)
    assert [hint.action for hint in hints(ACTIONS, key_map(), 16)] == ["help", "quit"]


def test_own_keys_take_the_place_of_defaults_and_defaults_give_way() -> None:
    keys = key_map({"advance": "k", "stop": ["X", "ctrl+x"], "pause": "h", "hold": ""})
    assert keys["advance"] == ("k",)
    assert keys["stop"] == ("X", "ctrl+x")
    assert keys["pause"] == ("h",) and keys["hold"] == ()
    assert key_map({"save": "?"})["save"] == ("question_mark",)
    assert key_map({"save": "?"})["help"] == ()
    assert [textual_name(key) for key in ("+", "ctrl++", "ctrl+x", "space")] == [
        "plus",
        "ctrl+plus",
        "ctrl+x",
        "space",
    ]


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"advanse": "k"}, "keys.advanse: there is no such action; did you mean advance?"),
        ({"advance": "k", "save": "k"}, "does save already"),
        ({"advance": "enter"}, "enter is needed for dialogs and lists"),
        ({"quit": ""}, "no key is left that quits"),
    ],
)
def test_mistakes_in_the_key_map_are_told(own: dict[str, str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence.replace("?", r"\?").replace(".", r"\.")):
        key_map(own)
    assert set(NEEDED) & {"enter"}


def test_settings_are_read_and_their_mistakes_name_file_line_and_key(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    assert load_settings(path).key_map() == key_map()
    path.write_text('theme = "dawn"\n[keys]\nadvance = "k"\n[alerts]\nbell = false\n')
    settings = load_settings(path)
    assert settings.theme == "dawn" and not settings.alerts.bell
    assert settings.key_map()["advance"] == ("k",)
    for text, sentence in (
        ('[keys]\nadvance = "k"\nadvanse = "j"\n', r"settings\.toml:3: keys\.advanse"),
        ("low_bandwith = true\n", r"settings\.toml:1.*low_bandwidth"),
        ("[keys]\nadvance = 3\n", r"settings\.toml:2"),
        ('[alerts]\nwebhook = "ftp://x"\n', r"settings\.toml:2: alerts\.webhook"),
        ("theme = \n", r"settings\.toml"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=sentence):
            load_settings(path)
