"""The tables of actions: complete, without clashes, and everything else is made from them."""

import asyncio
from pathlib import Path
from typing import cast

import pytest
from textual.command import Command
from textual.pilot import Pilot
from textual.widgets import OptionList

from icot_tui.engine.loop.commands import COMMANDS
from icot_tui.errors import UserError
from icot_tui.tui.actions.action import (
    RESERVED,
    ActionTable,
    check_names,
    key_label,
    key_map,
    textual_name,
)
from icot_tui.tui.actions.table import FOOTER, LIVE_TABLE
from icot_tui.tui.app.app import WorkbenchApp, footer_actions
from icot_tui.tui.app.settings import TABLES, Options, Settings, load_settings
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.frame.footer import footer_text
from icot_tui.tui.panels.text import text_of
from icot_tui.tui.play.action_table import (
    FIELD_ACTIONS,
    FOOTER_HIDDEN,
    PLAY_TABLE,
)
from icot_tui.tui.play.action_table import FOOTER as PLAY_FOOTER
from icot_tui.tui.play.app import PlayApp
from icot_tui.tui.screens.help import Palette, help_lines
from icot_tui.tui.session.run_app import ExitChoice
from tests.screens.workbench import a_run, drive, picture, press, toasts, until

INTERCEPTED = {
    "ctrl+b": "tmux",
    "ctrl+a": "screen",
    "ctrl+s": "the terminal's flow control",
    "ctrl+q": "the terminal's flow control",
    **dict.fromkeys(
        ("ctrl+p", "ctrl+k", "ctrl+e", "ctrl+f", "ctrl+g", "ctrl+w", "ctrl+n", "ctrl+j"),
        "VS Code's terminal",
    ),
    **{f"f{number}": "VS Code's terminal" for number in range(1, 13)},
}
"""Keys that never arrive here, and who takes them."""
KEYS = key_map(LIVE_TABLE)


@pytest.mark.parametrize("table", TABLES)
def test_names_and_keys_are_unique_and_every_action_has_a_key_and_words(table: ActionTable) -> None:
    assert len(table.by_name) == len(table.actions)
    keys = [key for chosen in key_map(table).values() for key in chosen]
    assert len(keys) == len(set(keys))
    for action in table.actions:
        assert key_map(table)[action.name], action.name
        assert action.label and action.help.endswith("."), action.name
    assert {action.group for action in table.actions} == set(table.groups)


@pytest.mark.parametrize("table", TABLES)
def test_no_default_key_is_one_that_tmux_screen_or_vs_code_takes(table: ActionTable) -> None:
    keys = {key for chosen in key_map(table).values() for key in chosen}
    assert not keys & set(INTERCEPTED)
    assert not keys & {"enter", "tab", "shift+tab", "up", "down"}
    assert {key for key in keys if key.startswith(("ctrl+", "alt+", "f1"))} <= {"ctrl+c", "ctrl+z"}


def test_every_command_of_the_engine_has_an_action() -> None:
    named = {"set-delta", "set-lr", "reset-optimizer", "pause", "hold", "advance", "rollback"}
    named |= {"evaluate", "save", "stop"}
    with_command = {action.name for action in LIVE_TABLE.actions if action.run_command}
    assert with_command == named
    assert set(COMMANDS) == named | {"resume"}  # which the key for pause does, too


def test_every_action_has_a_handler_and_every_handler_an_action(tmp_path: Path) -> None:
    options = Options(runs=tmp_path, settings=Settings())
    live = WorkbenchApp(None, None, options, UserState())
    assert set(live.actions.runner.handlers) == set(LIVE_TABLE.by_name)
    play = PlayApp(options, state=UserState()).play
    field = {action.name for action in FIELD_ACTIONS}
    assert set(play.runner.handlers) == set(PLAY_TABLE.by_name) | field


def test_footers_name_actions() -> None:
    assert set(FOOTER) <= set(LIVE_TABLE.by_name)
    assert set(PLAY_FOOTER) | set(FOOTER_HIDDEN) <= set(PLAY_TABLE.by_name)


def test_what_changes_the_run_is_asked_or_confirmed_first() -> None:
    harmless = {"pause", "evaluate", "save"}
    for action in LIVE_TABLE.actions:
        command = action.run_command
        if command is not None and action.name not in harmless:
            assert command.effect or command.question == "stop", action.name


@pytest.mark.slow
def test_palette_lists_every_action_and_finds_by_a_few_letters(tmp_path: Path) -> None:
    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        def found() -> list[str | None]:
            return [
                cast(Command, option).hit.text
                for option in app.screen.query_one(OptionList).options
            ]

        for words, first in (
            ("rollb", "rollback"),
            ("optimizer", "reset-optimizer"),
            ("", "pause"),
        ):
            await press(pilot, ":", *words)
            await until(pilot, lambda first=first: found()[:1] == [first])  # type: ignore[misc]
            if not words:
                assert found() == [action.name for action in app.actions.runner.available()]
            await press(pilot, "escape")
        await press(pilot, ":", *"weights")  # which only its help says
        await until(pilot, lambda: found()[:1] == ["rollback"])

    drive(tmp_path, steps, a_run(tmp_path).source, control=True)


@pytest.mark.slow
def test_own_keys_and_the_palette_work_in_the_playground(tmp_path: Path) -> None:
    settings = Settings(keys={"quit": ["Q", "ctrl+c"], "palette": "K"})
    app = PlayApp(Options(runs=tmp_path, settings=settings), state=UserState())

    async def run() -> None:
        async with app.run_test() as pilot:
            await press(pilot, "escape", "K", *"picture")  # out of the line in which one writes
            assert isinstance(app.screen, Palette)
            await until(pilot, lambda: app.screen.query_one(OptionList).option_count == 1)
            await press(pilot, "enter")
            assert app.screen is app.play
            await press(pilot, "i", "q", "ctrl+c")  # q is a letter of the question, ctrl+c leaves

    asyncio.run(asyncio.wait_for(run(), 60))
    assert app.return_value == "close" and app.play.field.value == "q"
    assert len(list((tmp_path / "kept").glob("screen-*.svg"))) == 1


def test_help_has_every_key_and_sentence() -> None:
    actions = LIVE_TABLE.actions
    text = "\n".join(text_of(line) for line in help_lines(LIVE_TABLE, actions, KEYS, 200))
    for action in actions:
        assert action.help in text
        assert key_label(KEYS[action.name][0]) in text
    assert all(len(text_of(line)) <= 60 for line in help_lines(LIVE_TABLE, actions, KEYS, 60))


def test_footer_has_the_most_important_first_and_never_more_than_fits() -> None:
    actions = footer_actions(LIVE_TABLE.actions)
    for width in (0, 10, 48, 118, 300):
        assert footer_text(actions, KEYS, width).cell_length <= width
    assert footer_text(actions, KEYS, 16).plain == "? help  q quit"


def test_own_keys_take_the_place_of_defaults_and_defaults_give_way() -> None:
    keys = key_map(LIVE_TABLE, {"advance": "k", "stop": ["X", "ctrl+x"], "pause": "h", "hold": ""})
    assert keys["advance"] == ("k",)
    assert keys["stop"] == ("X", "ctrl+x")
    assert keys["pause"] == ("h",) and keys["hold"] == ()
    assert key_map(LIVE_TABLE, {"save": "?"})["save"] == ("question_mark",)
    assert key_map(LIVE_TABLE, {"save": "?"})["help"] == ()
    assert [textual_name(key) for key in ("+", "ctrl++", "ctrl+x", "space")] == [
        "plus",
        "ctrl+plus",
        "ctrl+x",
        "space",
    ]


def test_own_keys_hold_on_all_screens() -> None:
    own = {"copy": "K", "random": "R", "advance": "k", "quit": "Q"}
    live, play, home = (key_map(table, own) for table in TABLES)
    assert live["copy"] == play["copy"] == ("K",) and live["quit"] == play["quit"] == ("Q",)
    assert play["random"] == ("R",) and "random" not in live
    assert live["advance"] == ("k",) and live["play"] == ()
    assert home["quit"] == ("Q",) and home["play"] == ("k",)


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"advanse": "k"}, "keys.advanse: there is no such action; did you mean advance?"),
        ({"advance": "k", "save": "k"}, "already does advance"),
        ({"advance": "enter"}, "enter is needed for dialogs and lists"),
        ({"quit": ""}, "no key is left that quits"),
    ],
)
def test_mistakes_in_the_key_map_are_told(own: dict[str, str], sentence: str) -> None:
    def read() -> None:
        check_names(own, TABLES)
        key_map(LIVE_TABLE, own)

    with pytest.raises(UserError, match=sentence.replace("?", r"\?").replace(".", r"\.")):
        read()
    assert set(RESERVED) & {"enter"}


def test_settings_are_read_and_their_mistakes_name_file_line_and_key(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    assert key_map(LIVE_TABLE, load_settings(path).keys) == KEYS
    path.write_text('theme = "dawn"\n[keys]\nadvance = "k"\n[alerts]\nbell = false\n')
    settings = load_settings(path)
    assert settings.theme == "dawn" and not settings.alerts.bell
    assert key_map(LIVE_TABLE, settings.keys)["advance"] == ("k",)
    for text, sentence in (
        ('[keys]\nadvance = "k"\nadvanse = "j"\n', r"settings\.toml:3: keys\.advanse"),
        ('[keys]\nrandom = "k"\nhardest = "k"\n', r"settings\.toml:3: keys\.hardest"),
        ("low_bandwith = true\n", r"settings\.toml:1.*low_bandwidth"),
        ("[keys]\nadvance = 3\n", r"settings\.toml:2"),
        ('[alerts]\nwebhook = "ftp://x"\n', r"settings\.toml:2: alerts\.webhook"),
        ("theme = \n", r"settings\.toml"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=sentence):
            load_settings(path)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["H", "backspace"])
def test_home_is_offered_where_the_program_was_begun_there(tmp_path: Path, key: str) -> None:
    async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
        offered = [action.name for action in app.actions.runner.available()]
        assert ("home" in offered) == app.options.from_home
        assert ("H home" in picture(app)[-1]) == app.options.from_home
        await press(pilot, key)
        if not app.options.from_home:
            assert toasts(app)[-1].startswith("The home screen is where")

    told = a_run(tmp_path)
    app = drive(tmp_path, steps, told.source, from_home=True)
    assert app.return_value == "close" and app.home_next
    assert not drive(tmp_path, steps, told.source).home_next
