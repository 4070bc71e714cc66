import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
import typer
from rich.text import Text

from icot_tui import resources
from icot_tui.cli import app as cli
from icot_tui.cli import console, doctor
from icot_tui.config import load_config
from icot_tui.errors import UserError
from icot_tui.formatting import plain


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture
def boom(monkeypatch: pytest.MonkeyPatch) -> dict[str, BaseException]:
    """A command `train` that raises what the test puts in under "error"."""
    holder: dict[str, BaseException] = {}
    app = typer.Typer()

    @app.command()
    def train() -> None:
        raise holder["error"]

    class Module:
        pass

    Module.app = app  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "icot_tui.cli.train", Module)  # type: ignore[arg-type]
    return holder


# --- finding commands ---


def test_help_lists_every_command_and_imports_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "textual", "pydantic_core", "numpy")
    program = (
        "import sys; from icot_tui.cli import app; code = app.run(['--help']); "
        f"print([name for name in {heavy} if name in sys.modules], code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[] 0"
    for name in cli.COMMANDS:
        assert f" {name} " in done.stdout


@pytest.mark.parametrize(
    "name", [name for name in cli.COMMANDS if find_spec(f"icot_tui.cli.{name}")]
)
def test_each_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(name, "--help") == 0
    printed = capsys.readouterr().out
    assert f"icot-tui {name}" in printed
    assert "--install-completion" not in printed


def test_a_command_without_module_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cli.COMMANDS, "ghost", "Is not there.")
    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda self, context, name: object())
    assert call("ghost") == 1
    assert capsys.readouterr().err == "error: the command 'ghost' is not part of this version\n"


def test_no_command_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert call() == 0
    assert "Usage: icot-tui" in capsys.readouterr().out


def test_help_says_what_comes_without_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--help") == 0
    assert "Without a command, in a terminal, it opens a home screen" in " ".join(
        capsys.readouterr().out.split()
    )


def test_the_runs_may_be_named_before_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ICOT_TUI_RUNS", "elsewhere")
    assert call("--runs", str(tmp_path), "runs", "list") == 0
    assert f"no runs in {tmp_path} yet" in capsys.readouterr().out


def test_help_is_broken_by_the_terminal_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert call("train", "--help") == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("link stops nothing: the output then goes" in line for line in lines)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert capsys.readouterr().out == "icot-tui 0.1.0\n"


# --- errors ---


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'? See icot-tui --help"),
        (["--bogus"], "No such option: --bogus"),
        (["config", "show"], "Missing argument 'config'"),
        (["config", "show", "demo", "more"], "Got unexpected extra argument(s) (more)"),
        (["train", "demo", "--name", "a", "--name=b"], "--name can be given only once"),
        (["runs", "show", "--runs", "a", "--runs", "a"], "--runs can be given only once"),
        (["--runs", "a", "--runs", "b", "runs"], "--runs can be given only once"),
        (["runs", "list", "--sort", "a", "--sort", "b"], "--sort can be given only once"),
        (["eval", "a", "--no-speed", "--speed"], "--speed/--no-speed can be given only once"),
    ],
)
def test_wrong_usage_is_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {sentence}")
    assert told.count("\n") == 1
    assert "--help" in told


@pytest.mark.parametrize(
    "arguments", [["config", "show", "demo", "--set", "seed=1", "--set", "seed=2"], ["-h", "-h"]]
)
def test_what_may_be_repeated_is(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*arguments) == 0
    assert capsys.readouterr().err == ""


def test_user_errors_are_one_safe_line(
    boom: dict[str, BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    boom["error"] = UserError("bad \x1b[31mline\x1b]0;title\x07\nin [bold]x[/]", 2)
    assert call("train") == 2
    told = capsys.readouterr().err
    assert told == "error: bad \\x1b[31mline\\x1b]0;title\\x07 in [bold]x[/]\n"


def test_other_errors_name_their_kind_and_debug_shows_the_traceback(
    boom: dict[str, BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    boom["error"] = RuntimeError("odd\nthing")
    assert call("train") == 1
    assert capsys.readouterr().err == (
        "error: unexpected RuntimeError: odd thing (run again with --debug to see the traceback)\n"
    )
    for arguments in (["train", "--debug"], ["--debug", "train"]):
        assert call(*arguments) == 1
        assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), 130), (UserError("x", 1), 1), (typer.Exit(1), 1), (typer.Abort(), 1)],
)
def test_exit_status(boom: dict[str, BaseException], error: BaseException, status: int) -> None:
    boom["error"] = error
    assert call("train") == status


@pytest.mark.slow
def test_a_reader_that_leaves_is_not_an_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m icot_tui config show demo | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(cli.__file__).parents[2],
    )
    assert done.stdout.startswith('name = "demo"')
    assert done.stderr == ""


# --- output ---


def test_plain_shows_what_a_terminal_would_obey() -> None:
    assert plain("a\tb\x1b\x9b\u202e\udcffé×字") == "a\\tb\\x1b\\x9b\\u202e\\udcffé×字"


def test_json_is_strict(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json({"a": [float("inf"), 1.5], "b": "\x1b\u202e"})
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed) == {"a": ["inf", 1.5], "b": "\x1b\u202e"}


def test_tables_are_tab_separated_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_table(("a", "b"), [("1", "x\ty")])
    assert capsys.readouterr().out == "a\tb\n1\tx\\ty\n"


def test_consoles_print_markup_as_it_is() -> None:
    printed = console.console()
    with printed.capture() as captured:
        printed.print("[bold]x[/] :smile:")
    assert captured.get() == "[bold]x[/] :smile:\n"


# --- config ---


def test_config_show_prints_values_with_their_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("config", "show", "demo", "--set", "train.batch_size=7") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "train.batch_size = 7  # --set" in lines
    text = resources.sample_configs()["demo"].read_text().splitlines()
    line = text.index('digits = "2x2"') + 1
    assert f'data.options.digits = "2x2"  # demo.toml:{line}' in lines
    assert "# train.epochs: not set  # default" in lines


def test_config_show_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("config", "show", "mult-7x7-gpt2-no-smoothing", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["curriculum.smoothing"]["value"] == "inf"
    assert values["train.max_steps"] == {"value": None, "source": "default"}


def test_config_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("config", "check", "demo") == 0
    capsys.readouterr()
    assert call("config", "check", "demo", "--set", "train.epoch=3") == 2
    told = capsys.readouterr().err
    assert told == "error: --set: unknown key train.epoch; did you mean train.epochs?\n"


@pytest.mark.parametrize("sample", ["demo", "gsm8k-phi3", "mult-7x7-gpt2-no-smoothing"])
def test_config_new_writes_an_explained_copy(
    sample: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("config", "new", "mine", "--from", sample) == 0
    text = Path("mine.toml").read_text()
    assert "\n# Peak learning rate.\nlearning_rate = " in text
    assert "\n#beta1 = 0.9\n" in text
    renamed = load_config(sample).config.model_copy(update={"name": "mine"})
    assert load_config("mine.toml").config == renamed


def test_config_new_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text("precious")
    assert call("config", "new", "mine.toml") == 2
    assert capsys.readouterr().err == (
        "error: mine.toml already exists: choose another name, or remove it\n"
    )
    assert Path("mine.toml").read_text() == "precious"
    assert call("config", "new", "../escape") == 2
    assert call("config", "new", "x", "--from", "nope") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.toml"]


# --- doctor ---


def test_doctor_exit_status_follows_its_findings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = [doctor.Finding("a", "warning", "odd", "mend it")]
    monkeypatch.setattr(doctor, "examine", lambda: iter(findings))
    assert call("doctor") == 0
    assert "warning\ta\todd\tmend it" in capsys.readouterr().out
    findings.append(doctor.Finding("b", "failure", "broken"))
    assert call("doctor", "--json") == 1
    assert [finding["topic"] for finding in json.loads(capsys.readouterr().out)] == ["a", "b"]


@pytest.mark.parametrize(
    ("flags", "advice"),
    [
        ({"avx2"}, "on this CPU, model.precision = float32 is faster"),
        ({"avx512f", "avx512_bf16"}, "on this CPU, model.precision = bfloat16-mixed is faster"),
        ({"asimd", "bf16"}, ""),  # not measured on one
    ],
)
def test_doctor_says_which_precision_is_faster_where_that_was_measured(
    flags: set[str], advice: str
) -> None:
    assert doctor._bfloat16(flags).advice == advice


def test_doctor_compares_versions_with_the_tested_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = resources.constraints().read_text().replace("\nrich==", "\nrich==9999.")
    (tmp_path / "constraints.txt").write_text(pins)
    monkeypatch.setattr(resources, "constraints", lambda: tmp_path / "constraints.txt")
    found = {finding.topic: finding for finding in doctor.versions()}
    assert found["rich"].status == "warning"
    assert found["rich"].advice.startswith("tested with 9999.")


def test_doctor_finds_folders_that_cannot_be_written(tmp_path: Path) -> None:
    fine = doctor.folder("runs", tmp_path / "not" / "yet")
    assert fine.status in ("ok", "warning")
    assert not (tmp_path / "not").exists()
    (tmp_path / "file").write_text("")
    assert doctor.folder("runs", tmp_path / "file").status == "failure"


def test_modules_of_commands_offer_an_app() -> None:
    for name in cli.COMMANDS:
        if find_spec(f"icot_tui.cli.{name}"):
            module = importlib.import_module(f"icot_tui.cli.{name}")
            assert isinstance(module.app, typer.Typer), name


def helps(name: str, command: click.Command) -> Iterator[tuple[str, str]]:
    """Where a help text stands, and the text, of a command and all that is in it."""
    yield name, command.help or ""
    yield name, command.epilog or ""
    for parameter in command.params:
        yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""
    for inner in getattr(command, "commands", {}).values():
        yield from helps(f"{name} {inner.name}", inner)


def test_no_word_of_a_help_text_is_taken_for_markup() -> None:
    texts = [
        one
        for name in cli.COMMANDS
        if find_spec(f"icot_tui.cli.{name}")
        for one in helps(
            name, typer.main.get_command(importlib.import_module(f"icot_tui.cli.{name}").app)
        )
    ]
    assert len(texts) > 100
    assert [name for name, text in texts if Text.from_markup(text).plain != text] == []


@pytest.mark.slow
def test_on_a_slow_link_textual_draws_twice_a_second() -> None:
    program = (
        "from pathlib import Path; from icot_tui.cli.screen import screen_options; "
        "screen_options(Path('runs'), theme=None, ascii=False, low_bandwidth=True); "
        "import textual.screen; print(textual.screen.UPDATE_PERIOD)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "0.5\n"
