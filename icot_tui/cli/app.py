"""Entry point: finds the command, imports it alone, and turns errors into one sentence.

A command lives in `icot_tui/cli/<name>.py`, which has `app = typer.Typer(...)` with one command, or
with several (then it is a group, such as `data make`).
"""

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from inspect import cleandoc
from keyword import iskeyword
from typing import Annotated, Any, NoReturn

import typer
from typer import Option
from typer.core import TyperGroup
from typer.main import get_command

from icot_tui.cli.former_children import reap_former_children
from icot_tui.cli.options import Runs
from icot_tui.errors import UserError, disk_reason
from icot_tui.output import say
from icot_tui.signals import ignore_signals

COMMANDS = {
    "launch": "Train with the live screen: without a config, the CPU demo.",
    "attach": "Show a run or a study from another terminal, live, dead or finished.",
    "watch": "Watch runs, a line each, until they have all ended.",
    "train": "Train a model: a config file, or a sample's name.",
    "resume": "Continue a run exactly where it stopped.",
    "eval": "Evaluate a checkpoint: exact match and speed.",
    "play": "Ask checkpoints on a screen, and look inside them.",
    "ask": "Put a question to checkpoints, side by side.",
    "calibrate": "Choose how sure a model must be of an answer with little written.",
    "probe": "See what the hidden chain-of-thought positions of a checkpoint hold.",
    "import": "Turn a published checkpoint into an ordinary folder.",
    "export": "Write a checkpoint for transformers, llama.cpp or lm-eval.",
    "study": "Rerun a table or a figure of the papers, or your own.",
    "ctl": "Control a live run: pause, hold, advance, rollback, save, evaluate, stop.",
    "alerts": "Try whether the alerts of a run reach you.",
    "data": "Generate, show and measure data files.",
    "runs": "List runs, show, compare, query, tag, rename, delete and export them.",
    "config": "Show, check and write config files.",
    "bench": "Measure training and evaluation speed on this machine.",
    "doctor": "Check that this machine can train.",
}
"""Every command with its help line, kept here so that --help imports no command."""
SPINS = "3000"
"""How often a thread of PyTorch's on a CPU looks for work before it sleeps.

With libgomp's own 300,000, each operation waits for its own threads while other work wants a core
(benchmarks/RESULTS.md, section 3)."""
PRODUCTS = "64"
"""How many matrix products of oneDNN, which multiplies in bfloat16, stay prepared in memory.

Each number of rows is a product of its own, and a removal brings new ones: with oneDNN's own 1,024
a training in mixed bfloat16 grows to twice its memory, and is no faster (benchmarks/RESULTS.md,
section 15)."""


class LazyGroup(TyperGroup):
    """Lists commands by the table, and imports a command's module once it is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        return name, _load(str(name)), rest


def _load(name: str) -> Any:
    module = f"icot_tui.cli.{name}" + ("_" if iskeyword(name) else "")
    try:
        command = get_command(importlib.import_module(module).app)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise UserError(f"the command '{name}' is not part of this version", 1) from error
    completion = {"install_completion", "show_completion"}
    command.params = [param for param in command.params if param.name not in completion]
    command.help = command.help or COMMANDS[name]
    for one in (command, *getattr(command, "commands", {}).values()):
        one.help = _paragraphs(one.help)
        _refuse_repetitions(one)
    return command


def _refuse_repetitions(command: Any) -> Any:
    """The command, which then refuses an option with one value that is given more than once."""
    parse = command.parse_args

    def parse_args(context: typer.Context, arguments: list[str]) -> list[str]:
        _, _, given = command.make_parser(context).parse_args(args=list(arguments))
        for option in dict.fromkeys(one for one in given if given.count(one) > 1):
            if not (option.multiple or option.is_flag) or option.secondary_opts:
                names = "/".join([max(option.opts, key=len), *option.secondary_opts])
                context.fail(f"{names} can be given only once")
        parsed: list[str] = parse(context, arguments)
        return parsed

    command.parse_args = parse_args
    return command


def _paragraphs(text: str | None) -> str | None:
    """A docstring's lines end where the source's do; a terminal's are broken by its own width."""
    return text and "\n\n".join(" ".join(part.split()) for part in cleandoc(text).split("\n\n"))


app = typer.Typer(
    cls=LazyGroup,
    help="The terminal workbench for internalizing chain of thought. Without a command, in a "
    "terminal, it opens a home screen, from which all of it is reached without typing.",
    epilog="icot-tui COMMAND --help has the options and examples of each.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _placeholder() -> None:
    """Stands for a command until it is called."""


for _name, _help in COMMANDS.items():
    app.command(_name, help=_help)(_placeholder)


def _print_version(wanted: bool) -> None:
    if wanted:
        from icot_tui.version import __version__

        say(f"icot-tui {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    runs: Runs = None,
    debug: Annotated[bool, Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    if runs is not None:
        os.environ["ICOT_TUI_RUNS"] = str(runs)
    if context.invoked_subcommand is not None:
        return
    from icot_tui.tui.session import terminal

    if terminal.is_usable():
        from icot_tui.cli.home import home

        raise typer.Exit(home())
    typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 success, 1 the work failed, 2 bad input, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        # What a terminal's encoding lacks is shown as an escape, and stops nothing.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    set_up_torch()
    reap_former_children()
    try:
        status = run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; nor may the flush at exit complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    ignore_signals()
    sys.exit(status)


def set_up_torch() -> None:
    """What PyTorch's libraries read when they are loaded, unless the environment says it already.

    Threads without work sleep soon, and few matrix products are kept.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(name, PRODUCTS)  # oneDNN's own cache, and PyTorch's in front of it


def run(arguments: Sequence[str]) -> int:
    """Run one command; errors go to stderr. Returns the exit status."""
    # Anywhere on the line, so that it can be added at the end of the line that failed.
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        result = _refuse_repetitions(get_command(app)).main(
            arguments, prog_name="icot-tui", standalone_mode=False
        )
        return result if isinstance(result, int) else 0
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except typer.Abort:
        return _fail("aborted", 1)
    except typer.TyperException as error:
        return _fail(_usage_sentence(error), error.exit_code)
    except UserError as error:
        if debug:
            say(traceback.format_exc().rstrip(), error=True)
        return _fail(str(error), error.exit_status)
    except Exception as error:
        if debug:
            say(traceback.format_exc().rstrip(), error=True)
            return 1
        if isinstance(error, OSError) and error.filename and error.strerror:
            return _fail(disk_reason(error), 1)
        kind = type(error).__name__
        what = f"{kind}: {error}" if str(error) else kind
        return _fail(f"unexpected {what} (run again with --debug to see the traceback)", 1)


def _usage_sentence(error: typer.TyperException) -> str:
    """What is wrong with how a command was called, and where to read how it is."""
    message = error.format_message().replace("Value error, ", "").rstrip(".")
    context = getattr(error, "ctx", None)
    if not context or not message:
        return message
    see = " See" if message.endswith("?") else "; see"
    return f"{message}{see} {context.command_path} --help"


def _fail(message: str, status: int) -> int:
    """Tell what went wrong in one line; control characters are shown, not obeyed."""
    from icot_tui.formatting import plain

    sentence = plain(" ".join(message.split()))
    if sentence:
        say(f"error: {sentence}", error=True)
    return status
