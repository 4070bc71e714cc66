"""The log: every event once, following the end, filtered, and what native code printed."""

import os
import time

import pytest

from icot_tui.engine.journal.events import Warned
from icot_tui.tui.panels.base import Lines
from icot_tui.tui.panels.log import LogPanel
from icot_tui.tui.panels.text import text_of
from tests.screens.panel_run import Told, look, look_at_any


def warned(told, first, last):
    return told.tell(
        *(Warned(step=told.step, message=f"warning number {n}") for n in range(first, last))
    )


def texts(panel):
    return [text_of(each) for each in panel.query_one(Lines).lines]


def test_events_stand_there_in_plain_words_with_time_and_step(tmp_path):
    lines = look(LogPanel(), Told(tmp_path).start().train(100).remove().view(), (160, 12))
    assert any("step 100  token 1 removed (on schedule)" in each for each in lines)
    assert all(each[2] == each[5] == ":" for each in lines)


def test_only_what_is_new_is_appended(tmp_path):
    told = warned(Told(tmp_path).start(), 0, 50)
    panel = LogPanel()

    async def check(pilot):
        before = panel.query_one(Lines).lines
        first, count = before[0], len(before)
        warned(told, 50, 53)
        panel.show(told.view())
        await pilot.pause()
        after = panel.query_one(Lines).lines
        assert after[0] is first and len(after) == count + 3
        assert text_of(after[-1]).endswith("warning number 52")

    look_at_any(panel, told.view(), (80, 12), check)


def test_it_follows_the_end_unless_scrolled_up(tmp_path):
    told = warned(Told(tmp_path).start(), 0, 50)
    panel = LogPanel()

    async def check(pilot):
        lines = panel.query_one(Lines)
        assert lines.below == 0
        lines.scroll_to(y=5, animate=False)
        await pilot.pause()
        warned(told, 50, 60)
        panel.show(told.view())
        await pilot.pause()
        assert round(lines.scroll_y) == 5 and "below" in str(panel.border_subtitle)
        lines.scroll_end(animate=False)
        await pilot.pause()
        warned(told, 60, 70)
        panel.show(told.view())
        await pilot.pause()
        assert lines.below == 0

    look_at_any(panel, told.view(), (80, 12), check)


def test_the_end_stays_in_view_whatever_the_size(tmp_path):
    told = warned(Told(tmp_path).start(), 0, 50)
    panel = LogPanel()

    async def check(pilot):
        lines = panel.query_one(Lines)
        for size in ((60, 6), (100, 20), (30, 5), (80, 12)):
            await pilot.resize_terminal(*size)
            panel.show(told.view())
            await pilot.pause()
            assert lines.below == 0, size
        lines.scroll_to(y=5, animate=False)
        await pilot.pause()
        await pilot.resize_terminal(80, 6)
        assert lines.below > 0

    look_at_any(panel, told.view(), (80, 12), check)


def test_a_filter_keeps_lines_with_all_its_words(tmp_path):
    told = warned(Told(tmp_path).start().train(100).remove(), 0, 20)
    panel = LogPanel()

    async def check(pilot):
        everything = len(texts(panel))
        panel.action_filter()
        await pilot.press(*"number 7")
        await pilot.pause()
        assert len(texts(panel)) == 2  # 7 and 17
        await pilot.press("enter")
        warned(told, 70, 72)
        panel.show(told.view())
        await pilot.pause()
        assert len(texts(panel)) == 4
        await pilot.press("escape")
        await pilot.pause()
        assert len(texts(panel)) == everything + 2 and not panel.input.display

    look_at_any(panel, told.view(), (80, 40), check)


def test_a_filter_that_nothing_fits_says_so(tmp_path):
    panel = LogPanel()

    async def check(pilot):
        panel.action_filter()
        await pilot.press(*"zzz")
        await pilot.pause()
        assert "No line contains zzz." in texts(panel)[0]

    look_at_any(panel, Told(tmp_path).start().view(), (80, 12), check)


def test_long_lines_are_wrapped_beneath_themselves(tmp_path):
    told = Told(tmp_path).start().tell(Warned(step=0, message="word " * 40))
    lines = look(LogPanel(), told.view(), (50, 20))
    wrapped = [each for each in lines if each.startswith(" " * 9 + "word")]
    assert len(wrapped) > 2 and all(len(each) <= 46 for each in lines)


def test_what_native_code_printed_is_told_too(tmp_path):
    told = Told(tmp_path).start()
    log = told.folder.log
    log.write_text("CUDA says hello\n  10%|#   \r 100%|####\n2026-11-21 10:00:00  step 5  known\n")
    panel = LogPanel()

    async def check(pilot):
        shown = "\n".join(texts(panel))
        assert "CUDA says hello" in shown and "100%" in shown
        assert " 10%" not in shown and "known" not in shown
        with open(log, "a") as file:
            file.write("half a ")
        panel.show(told.view())
        assert "half" not in "\n".join(texts(panel))
        with open(log, "a") as file:
            file.write("line\n")
        panel.show(told.view())
        await pilot.pause()
        assert texts(panel)[-1].endswith("half a line")

    look_at_any(panel, told.view(), (80, 12), check)


def test_a_replay_does_not_show_output_of_later(tmp_path):
    told = Told(tmp_path).start()
    told.folder.log.write_text("of later\n")
    os.utime(told.folder.log, (time.time() + 3600, time.time() + 3600))
    assert not any("later" in each for each in look(LogPanel(), told.view()))


def test_thousands_of_events_are_kept_and_no_more(tmp_path):
    told = warned(Told(tmp_path).start(), 0, 7000)
    panel = LogPanel()

    async def check(pilot):
        assert 5000 <= len(texts(panel)) <= 5500
        for n in range(7000, 8200, 300):
            warned(told, n, n + 300)
            panel.show(told.view())
            await pilot.pause()
        assert len(texts(panel)) <= 5500
        assert texts(panel)[-1].endswith("warning number 8199")
        assert panel.query_one(Lines).below == 0

    look_at_any(panel, told.view(), (80, 12), check)


def test_the_text_of_a_warning_is_no_markup(tmp_path):
    told = Told(tmp_path).start().tell(Warned(step=0, message="[bold]x[/bold] \x1b]0;title\x07"))
    assert any(
        "[bold]x[/bold] \\x1b]0;title\\x07" in each for each in look(LogPanel(), told.view())
    )


@pytest.mark.slow
def test_a_search_marks_its_words_and_goes_from_match_to_match(tmp_path):
    told = warned(Told(tmp_path).start().train(100).remove(), 0, 40)
    panel = LogPanel()

    async def check(pilot):
        lines = panel.query_one(Lines)
        everything = len(lines.lines)
        assert panel.check_action("next_match", (1,)) is False  # n has another use
        panel.action_filter()
        await pilot.press(*"Number 7", "enter")
        await pilot.pause()
        marked = [text for text, style in lines.lines[0] if "reverse" in style]
        assert marked == ["number", "7"] and len(lines.lines) == 4  # 7, 17, 27 and 37
        await pilot.press("N")
        await pilot.pause()
        assert len(lines.lines) == everything and "match" in str(panel.border_title)

        def chosen():
            (row,) = (each for each in lines.lines if any("underline" in s for _, s in each))
            at = lines.lines.index(row)
            assert lines.above <= at < lines.above + lines.size.height
            return text_of(row).rpartition(" ")[2]

        assert chosen() == "37"
        await pilot.press("N", "N")
        assert chosen() == "17"
        await pilot.press("n", "n", "n")
        assert chosen() == "7"  # from the last on to the first
        await pilot.press("escape")
        await pilot.pause()
        assert not panel.filter and not any("reverse" in s for row in lines.lines for _, s in row)

    look_at_any(panel, told.view(), (80, 12), check)


@pytest.mark.slow
def test_matches_are_counted_by_entry_however_they_are_wrapped_or_known(tmp_path):
    told = Told(tmp_path).start().train(100)
    for n in range(3):
        told.tell(Warned(step=100, message=f"slow disk {n} " + "again and again " * 6 + "slow"))
    panel = LogPanel()

    async def check(pilot):
        lines = panel.query_one(Lines)

        async def search(words):
            panel.action_filter()
            panel.input.value = ""
            await pilot.press(*words, "enter")
            await pilot.pause()

        await search("slow")
        titles = []
        for _ in range(4):
            await pilot.press("n")
            titles.append(str(panel.border_title).partition(", ")[2])
        assert titles == ["match 1 of 3", "match 2 of 3", "match 3 of 3", "match 1 of 3"]
        told.tell(Warned(step=100, message="slow once more"))
        panel.show(told.view())
        await pilot.press("N")
        assert str(panel.border_title).endswith("match 4 of 4")
        await search("warned")  # the kind, which is not written
        await pilot.press("n")
        (row,) = (each for each in lines.lines if any("underline" in s for _, s in each))
        assert "slow disk 0" in text_of(row) and str(panel.border_title).endswith("1 of 4")
        await search("step 100")
        assert any(t == "100" and "reverse" in s for each in lines.lines for t, s in each)

    look_at_any(panel, told.view(), (80, 30), check)
