"""One frame of the live screen, drawn without a terminal."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.text import Text

from icot_tui.tui.frame.layout import SMALLEST
from icot_tui.tui.panels.loss import LossPanel

if TYPE_CHECKING:
    from icot_tui.tui.app.app import WorkbenchApp

ENOUGH_EQUAL = 3
"""So many frames in a row that are equal: what a redraw sets off is there with the next."""
MOST_REDRAWS = 20
"""A screen that still changes after so many redraws is taken as it is."""


def draw_frame(app: "WorkbenchApp", size: tuple[int, int], panel: str | None = None) -> Text:
    """The screen of a viewer once the run's files are read, or one of its panels in this size.

    Args:
        app: was not started yet.
        size: columns and rows.
    """
    drawn: list[Text] = []

    async def draw() -> None:  # asyncio.run writes out all that a coroutine returns (repr)
        drawn[:] = await _drawn(app, size, panel)

    asyncio.run(draw())
    return Text("\n").join(drawn)


async def _drawn(app: "WorkbenchApp", size: tuple[int, int], panel: str | None) -> list[Text]:
    width, height = size
    screen = max(width, SMALLEST[0]), max(height, SMALLEST[1])
    async with app.run_test(size=screen) as pilot:
        while not _is_read(app):
            await pilot.pause(0)
        if panel is not None:
            _show_only(app, panel, size)
        equal, before = 1, [Text()]
        for _ in range(MOST_REDRAWS):
            app.live.set_focus(None)  # no key can follow
            app.draw()
            await pilot.pause(0)  # all messages; without it, pilot.pause sleeps 20 ms, too
            lines = list(_lines(app, width))[:height]
            equal = equal + 1 if lines == before else 1
            if equal == ENOUGH_EQUAL:
                break
            before = lines
    return lines


def _show_only(app: "WorkbenchApp", panel: str, size: tuple[int, int]) -> None:
    """Give a panel the top left corner of the screen."""
    live = app.live
    live.board.choices.full = panel
    for loss in live.board.query(LossPanel):
        loss.alone = True
    live.header.display = live.footer.display = live.tabs.display = False
    live.board.styles.width, live.board.styles.height = size


def _is_read(app: "WorkbenchApp") -> bool:
    """Are the panels there, and all files read? A study may have no run yet."""
    if not app.live.board.panels or app.view is None:
        return bool(app.live.board.panels) and app.options.study is not None
    sources = [app.view.source, *(overlay.source for overlay in app.view.overlays)]
    return all(source.caught_up for source in sources)


def _lines(app: "WorkbenchApp", width: int) -> Iterator[Text]:
    """The rows of the screen as they would be sent to a terminal."""
    filters = [one for one in app._filters if one.enabled]
    for strip in app.screen._compositor.render_strips():
        for one in filters:
            strip = strip.apply_filter(one, app.screen.styles.background)
        segments = strip.crop(0, width)
        yield Text.assemble(*((text, style or "") for text, style, _ in segments))
