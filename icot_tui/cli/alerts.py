"""`icot-tui alerts`: try whether alerts arrive."""

import time
from pathlib import Path

import typer

from icot_tui.cli.console import print_table
from icot_tui.cli.options import examples
from icot_tui.config.alerts import load_alert_settings, settings_file
from icot_tui.errors import UserError, reason
from icot_tui.watch.alerts import Alert
from icot_tui.watch.notifier import SECONDS, AlertTarget, notice_of, targets

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Alerts of a run go to a command, a webhook, or any address that apprise knows.

    The section 'alerts' of your settings.toml says where; the manual has an example.
    """


@app.command(epilog=examples("icot-tui alerts test"))
def test() -> None:
    """Send a test alert everywhere, and wait; exit status 1 if any could not be sent."""
    found = targets(load_alert_settings())
    if not found:
        raise UserError(
            "no alerts are set up: add a section [alerts] with command, webhook or addresses to "
            f"{settings_file()}"
        )
    results = [(target.name, _try(target)) for target in found]
    print_table(("target", "result"), results)
    if any(not result.startswith("sent") for _, result in results):
        raise typer.Exit(1)


def _try(target: AlertTarget) -> str:
    """What became of a test alert, in words."""
    began = time.time()
    alert = Alert("finished", "this is a test of icot-tui's alerts", "information", began)
    try:
        target.send(notice_of(alert, Path("test")) | {"kind": "test"}, SECONDS)
    except Exception as error:  # of any library: it is told
        return f"failed: {reason(error)}"
    return f"sent in {time.time() - began:.1f} s"
