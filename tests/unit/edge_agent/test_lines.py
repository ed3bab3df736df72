"""Cutting bytes into lines, whatever pieces they come in."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.lines import LINE_LIMIT_BYTES, LineSplitter


def split(chunks: list[bytes]) -> list[str | None]:
    """Split chunks to the end."""
    splitter = LineSplitter()
    lines = [line for chunk in chunks for line in splitter.split(chunk)]
    return lines + splitter.finish()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends(end: bytes) -> None:
    """LF, CRLF and CR end a line; the last line needs none."""
    assert split([b"a" + end + b"b" + end + end + b"c"]) == ["a", "b", "", "c"]


def test_a_byte_order_mark_is_no_text() -> None:
    """The mark before the header is taken off, also when it comes byte by byte."""
    assert split([b"\xef", b"\xbb", b"\xbfa", b"\n"]) == ["a"]


def test_bytes_that_are_no_utf8_spoil_only_their_place() -> None:
    """An undecodable byte becomes one mark."""
    assert split([b"1,\xff,3\n4\n"]) == ["1,\ufffd,3", "4"]


def test_a_gigantic_line_is_skipped() -> None:
    """A line over the limit is None; what follows is read on, and the memory stays bounded."""
    splitter = LineSplitter()
    assert splitter.split(b"a\n") == ["a"]
    for _ in range(40):
        assert splitter.split(b"x" * (LINE_LIMIT_BYTES // 16)) == []
        assert len(splitter._tail) <= LINE_LIMIT_BYTES

    assert splitter.split(b"x\nb\n") == [None, "b"]
    assert splitter.finish() == []


text = st.text(st.sampled_from("ab,\r\né"), max_size=40)


@given(text=text, data=st.data())
def test_pieces_make_no_difference(text: str, data: st.DataObject) -> None:
    """Any cutting of the bytes gives the same lines."""
    whole = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    edges = [0, *cuts, len(whole)]
    chunks = [whole[a:b] for a, b in pairwise(edges)]

    normal = text.replace("\r\n", "\n").replace("\r", "\n")
    expected = normal.split("\n")
    assert split(chunks) == (expected if expected[-1] else expected[:-1])
