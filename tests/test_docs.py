"""README and docs: commands parse, links lead somewhere, names are those of the code."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from icot_tui import resources
from icot_tui.cli import app as cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = ("icot-tui", "accelerate launch -m icot_tui", "torchrun --nproc-per-node 2 -m icot_tui")


def relative(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of every icot-tui command in the shell blocks of a page."""
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            for program in PROGRAMS:
                name = program.split()
                if words[: len(name)] == name:
                    yield words[len(name) :]


def inline_commands(text: str) -> Iterator[list[str]]:
    """Those in running text: `icot-tui resume RUN`."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for code in re.findall(r"`icot-tui ([^`]+)`", prose):
        yield shlex.split(" ".join(code.split()))


EXAMPLES = [
    pytest.param(words, id=f"{relative(page)}: {' '.join(words)}")
    for page in PAGES
    for words in [*commands(page.read_text()), *inline_commands(page.read_text())]
]


@pytest.mark.parametrize("words", EXAMPLES)
def test_every_command_has_the_options_that_the_page_says(words: list[str]) -> None:
    """Parsed by the real command; what a placeholder such as RUN stands for is not opened."""
    if words in ([], ["--help"]):  # the home screen, and the help
        return
    command, rest = cli._load(words[0]), words[1:]
    context = command.make_context(words[0], [], resilient_parsing=True)
    if hasattr(command, "commands") and rest:
        command, rest = command.commands[rest[0]], rest[1:]
        context = command.make_context(words[1], [], parent=context, resilient_parsing=True)
    _, left_over, _ = command.make_parser(context).parse_args(list(rest))
    assert not left_over


def test_commands_were_found() -> None:
    assert len(EXAMPLES) > 30
    named = {example.values[0][0] for example in EXAMPLES if example.values[0]}
    assert named <= {*cli.COMMANDS, "--help"}


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    links = re.findall(r"\]\(([^)#]+?)(?:#([\w-]+))?\)|\]\(#([\w-]+)\)", text)
    for target, anchor, own_anchor in links:
        if target.startswith(("http://", "https://")):
            continue
        to = page if own_anchor else page.parent / target
        assert to.exists(), f"{relative(page)} links to {target}"
        if (anchor or own_anchor) and to.suffix == ".md":
            assert (anchor or own_anchor) in anchors(to.read_text())


PLOTS = [
    pytest.param(command, drawn, id=command)
    for page in PAGES
    for command, drawn in re.findall(
        r"```\n\$ icot-tui (runs plot [^\n]*)\n(.*?)```", page.read_text(), re.DOTALL
    )
]


@pytest.mark.parametrize(("command", "drawn"), PLOTS)
def test_plots_are_what_the_command_draws(
    command: str, drawn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert cli.run(shlex.split(command)) == 0
    assert capsys.readouterr().out == drawn


def anchors(text: str) -> set[str]:
    """Of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_modules_and_samples_that_are_named_exist(page: Path) -> None:
    text = page.read_text()
    for path in re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", text):
        assert any((ROOT / base / path).exists() for base in ("", "icot_tui")), path
    for sample in re.findall(r"sample_configs/([\w-]+)\.toml", text):
        assert sample in resources.sample_configs(), sample


def test_the_manual_names_every_command() -> None:
    manual = (ROOT / "docs" / "manual.md").read_text()
    assert all(f"`{command}`" in manual for command in cli.COMMANDS)


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
