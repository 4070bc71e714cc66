"""What `icot-tui runs` changes: tags, notes, names, and what there is."""

import sys
from typing import Annotated

import typer
from typer import Argument, Option

from icot_tui.cli.options import Runs, SeveralRuns, examples
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.errors import UserError
from icot_tui.formatting import listed, plain
from icot_tui.output import say
from icot_tui.runs import moving, notes

OneRun = Annotated[str, Argument(metavar="RUN", help="Name or folder of a run.")]


def add_to(app: typer.Typer) -> None:
    """The commands, as those of a group."""
    tagging = examples("icot-tui runs tag demo paper", "icot-tui runs list tag:paper")
    app.command(epilog=tagging)(tag)
    app.command(epilog="Example: icot-tui runs note demo 'the one with the late spike'")(note)
    app.command(epilog="Example: icot-tui runs rename demo-7 smoothing-4")(rename)
    app.command(epilog="Example: icot-tui runs delete demo-2 demo-3")(delete)
    restoring = examples("icot-tui runs restore", "icot-tui runs restore demo-2 demo-again")
    app.command(epilog=restoring)(restore)


def tag(
    run: OneRun,
    tags: Annotated[
        list[str] | None, Argument(metavar="[TAG]...", help="Tags to add; none: print them.")
    ] = None,
    remove: Annotated[
        list[str] | None, Option("--remove", "-r", metavar="TAG", help="Take a tag away.")
    ] = None,
    runs: Runs = None,
) -> None:
    """Tag a run, or print its tags; they are kept in its folder."""
    folder = RunFolder.find(runs or runs_folder(), run)
    if tags or remove:
        added = [each.removeprefix("+") for each in tags or ()]
        found = notes.change_tags(folder, added, remove or ())
    else:
        found = notes.read_notes(folder)
    say(plain(", ".join(found.tags) or f"{folder.name} has no tags"))


def note(
    run: OneRun,
    text: Annotated[str | None, Argument(help="The note; '' takes it away.")] = None,
    runs: Runs = None,
) -> None:
    """Write a note about a run, or print it; it is kept in its folder."""
    folder = RunFolder.find(runs or runs_folder(), run)
    found = notes.read_notes(folder)
    if text is not None:
        found = notes.Notes(found.tags, text.strip())
        notes.write_notes(folder, found)
    say(plain(found.note or f"{folder.name} has no note"))


def rename(
    run: OneRun,
    name: Annotated[str, Argument(help="The folder's new name.")],
    runs: Runs = None,
) -> None:
    """Rename a run that is not training."""
    renamed = moving.rename_run(RunFolder.find(runs or runs_folder(), run), name)
    say(plain(f"renamed to {renamed.path}"))


def delete(
    names: SeveralRuns,
    yes: Annotated[bool, Option("--yes", "-y", help="Do not ask.")] = False,
    runs: Runs = None,
) -> None:
    """Move runs that are not training into the trash, the folder .trash beside them."""
    folders = [RunFolder.find(runs or runs_folder(), name) for name in dict.fromkeys(names)]
    for folder in folders:
        moving.refuse_training(folder, folder.is_locked())
    what = listed([plain(folder.name) for folder in folders])
    if not yes:
        if not sys.stdin.isatty():
            raise UserError(f"nobody is here to confirm it: delete {what} with --yes")
        typer.confirm(f"Move {what} into the trash?", abort=True)
    for folder in folders:
        trashed = moving.delete_run(folder)
        say(plain(f"{folder.name} is in {trashed} now: 'icot-tui runs restore {trashed.name}'"))


def restore(
    run: Annotated[
        str | None, Argument(metavar="[RUN]", help="Its name there; none: list what is there.")
    ] = None,
    name: Annotated[
        str | None, Argument(metavar="[NAME]", help="Another name, where its own is taken.")
    ] = None,
    runs: Runs = None,
) -> None:
    """Bring a run back from the trash, or list the runs that are there."""
    where = runs or runs_folder()
    if run is not None:
        say(plain(f"restored to {moving.restore_run(where, run, name).path}"))
        return
    found = moving.trashed(where)
    for each in found:
        say(plain(each.name))
    if not found:
        say(plain(f"the trash of {where} is empty"))
