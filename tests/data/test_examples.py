"""Lines of text: what is read, what is refused and how."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from icot_tui.data import examples
from icot_tui.data.examples import (
    Example,
    characters,
    parse_line,
    read_chunks,
    read_lines,
)
from icot_tui.data.overlap import example_hashes, repeated
from icot_tui.data.overlap import shared as shared_inputs
from icot_tui.errors import UserError

LETTERS = st.characters(codec="utf-8", exclude_characters="|#\n\r", exclude_categories=["Nd"])
SPANS = st.text(LETTERS | st.sampled_from("0123456789"), min_size=1).map(str.strip)


def file(tmp_path: Path, content: bytes | str) -> Path:
    path = tmp_path / "train.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("line", "example"),
    [
        ("2 1 * 4 3||8 6 0 #### 8 0 4", Example("2 1 * 4 3", "8 6 0", "8 0 4")),
        ("x|| #### y", Example("x", "", "y")),
        ("x||#### y", Example("x", "", "y")),
        ("  x ||  z  ####  y ", Example("x", "z", "y")),
        ("a | b # c||<<1+1=2>> #### $2,000.50", Example("a | b # c", "<<1+1=2>>", "$2,000.50")),
        ("naïve 数学 🧮||\u202edone #### ✓", Example("naïve 数学 🧮", "\u202edone", "✓")),
    ],
)
def test_parses(line: str, example: Example) -> None:
    assert parse_line(line, "") == example


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("x z #### y", "'||' is missing"),
        ("x||z y", "' #### ' is missing"),
        ("x||z||z #### y", "'||' stands there more than once"),
        ("x||z #### y #### y", "'####' stands there more than once"),
        ("x #### y||z", "'####' stands before '||'"),
        ("x||z #### ", "answer after '####' is empty"),
        ("x||z ####", "answer after '####' is empty"),
        (" ||z #### y", "input before '||' is empty"),
        ("x||z#### y", "needs a blank before and after"),
        ("x||z ####y", "needs a blank before and after"),
        ("x||z ##### y", "needs a blank before and after"),
    ],
)
def test_refuses(line: str, complaint: str) -> None:
    with pytest.raises(UserError, match=r"train\.txt, line 7: .*a line is input") as error:
        parse_line(line, "train.txt, line 7")
    assert complaint in str(error.value)


@given(SPANS.filter(bool), SPANS, SPANS.filter(bool))
def test_every_span_is_read_back(x: str, z: str, y: str) -> None:
    line = f"{x}||{z} #### {y}" if z else f"{x}||#### {y}"
    assert parse_line(line, "") == Example(x, z, y)


def test_byte_order_mark_carriage_returns_and_blank_lines(tmp_path: Path) -> None:
    path = file(tmp_path, b"\xef\xbb\xbfa||z #### 1\r\n\r\n  \nb||\xc2\x85 z #### 2\r\nc||z #### 3")
    assert list(read_lines(path)) == [
        (1, Example("a", "z", "1")),
        (4, Example("b", "z", "2")),
        (5, Example("c", "z", "3")),
    ]
    assert [number for number, _ in read_lines(path, limit=2)] == [1, 4]


def test_only_newlines_end_a_line(tmp_path: Path) -> None:
    path = file(tmp_path, "a\u2028b\x0bc||z #### y\n")
    assert list(read_lines(path)) == [(1, Example("a\u2028b\x0bc", "z", "y"))]


def test_chunks_are_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "CHUNK_BYTES", 64)
    lines = [f"{n} {'x' * (n * 7 % 200)}||z #### {n}\n" for n in range(100)]
    path = file(tmp_path, "".join(lines))
    parts = list(read_chunks(path))
    assert len(parts) > 10
    assert b"".join(part.text for part in parts).decode() == "".join(lines)
    assert [number for number, _ in read_lines(path)] == list(range(1, 101))
    assert [number for number, _ in read_lines(path, 37)] == list(range(1, 38))


def test_very_long_lines_across_blocks(tmp_path: Path) -> None:
    line = "\u00e9 " * 524_000 + "||z #### y\n"
    path = file(tmp_path, f"{line * 5}b||z #### y\n")
    assert [len(example.input) for _, example in read_lines(path)] == [1_047_999] * 5 + [1]


@pytest.mark.parametrize("blanks", [1_100_000, 6_000_000, 50_000_000])
def test_a_line_that_is_too_long_is_named(blanks: int, tmp_path: Path) -> None:
    path = file(tmp_path, f"b||z #### y\n{' ' * blanks}b||z #### y\n")
    with pytest.raises(UserError, match=r"train\.txt, line 2: it has .*more than 1,048,576"):
        list(read_lines(path))


def test_bad_line_and_bad_bytes_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.txt, line 2: '\|\|' is missing"):
        list(read_lines(file(tmp_path, "a||z #### y\nb\n")))
    with pytest.raises(UserError, match=r"train\.txt, line 2: byte 4 is not UTF-8"):
        list(read_lines(file(tmp_path, b"a||z #### y\n" + "abcé".encode("latin-1"))))
    with pytest.raises(UserError, match="line 1: byte 1 is not UTF-8"):
        list(read_lines(file(tmp_path, "a||z #### y\n".encode("utf-16"))))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PAR1\x15\x04", "a Parquet file"),
        (b"\x1f\x8b\x08\x00", "packed with gzip"),
        (b"PK\x03\x04\x14", "a zip archive"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
    ],
)
def test_other_kinds_of_file_are_named(tmp_path: Path, content: bytes, kind: str) -> None:
    with pytest.raises(UserError, match=f"train.txt is {kind}"):
        list(read_lines(file(tmp_path, content)))


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere does not exist"):
        list(read_lines(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"cannot be read .*directory"):
        list(read_lines(tmp_path))
    with pytest.raises(UserError, match="has no lines"):
        list(read_lines(file(tmp_path, "")))


def test_characters(tmp_path: Path) -> None:
    path = file(tmp_path, "1 2||\t3 #### 4\n")
    assert characters(read_chunks(path)) == set("1234\t")
    path = file(tmp_path, "é 2||# #### 🧮\n")
    assert characters(read_chunks(path)) == set("é2#🧮")


def test_repeated_and_shared_inputs(tmp_path: Path) -> None:
    train = example_hashes(read_chunks(file(tmp_path, "a||z #### 1\n\na ||y #### 1\nb||z #### 2")))
    held_out = example_hashes(read_chunks(file(tmp_path, "b||q #### 2\nc||z #### 3\n")))
    assert repeated(train) == 1
    assert repeated(held_out) == 0
    assert shared_inputs(train, held_out) == 1
