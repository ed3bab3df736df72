"""Rows: which mark is the decimal one."""

from __future__ import annotations

import math
from typing import Literal

import pytest

from edge_agent.columns import Layout
from edge_agent.rows import CsvRows, PairRows, RowError, decimal_mark

LAYOUT = Layout(("time", "ax", "ay"), (1, 2), time=0)


@pytest.mark.parametrize(
    ("fields", "mark"),
    [
        (["0,1972", "-3,5"], ","),
        (["1", "0,5"], ","),
        (["1,5e-3", "x"], ","),
        (["1", "-2"], ""),
        (["0.5", "0,5"], "."),
        (["1,972", "-12,345"], ""),  # may be thousands
        (["1,972", "0,345"], ","),
        (["1,972", "1.5"], "."),
        (["2026-11-22 10:00:00.123", "a,b"], ""),
        (["1.234,5"], ""),
    ],
)
def test_the_decimal_mark(fields: list[str], mark: Literal["", ".", ","]) -> None:
    """A comma is decimal only where it can be nothing else."""
    assert decimal_mark(fields) == mark


def test_decimal_commas_are_read_and_said() -> None:
    """From the first fraction on, the time as well; a point then is no number that can be trusted."""
    rows = CsvRows(LAYOUT, ";")

    assert rows.read("0;1;2")[:2] == ([1, 2], "0")
    assert not rows.notes
    assert rows.read("0,02;0,1972; -3,5 ")[:2] == ([0.1972, -3.5], "0.02")
    assert rows.notes == ("numbers are read with a decimal comma",)
    values, time, *_ = rows.read("2026-11-22T10:00:00,5;1.234;1,5")
    assert math.isnan(values[0])
    assert (values[1], time) == (1.5, "2026-11-22T10:00:00,5")


def test_a_decimal_point_is_settled_by_the_first_fraction() -> None:
    """A comma that turns up later spoils its own number."""
    rows = CsvRows(LAYOUT, "\t")

    assert rows.read("0\t0.5\t2")[0] == [0.5, 2]
    assert math.isnan(rows.read("0\t0,5\t2")[0][0])
    assert rows.hint is not None
    assert "`0,5` may be a number with a decimal comma" in rows.hint


@pytest.mark.parametrize("line", ["", " , ", "ax", "ax:1,ay", "ax:1,:2", "ax:1,ay:"])
def test_no_pairs(line: str) -> None:
    """A line that is torn or something else is no row."""
    with pytest.raises(RowError):
        PairRows(LAYOUT).read(line)


def test_a_bad_value_of_a_pair_is_no_number() -> None:
    """It is dropped further on, as in every form."""
    values, time, *_ = PairRows(LAYOUT).read("ay:ovf ax:1 time:5")

    assert (values[0], math.isnan(values[1]), time) == (1.0, True, "5")
