"""Which column of a recording holds what the model is to give: the section [test] of a new edgekit.toml."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from edgekit.proposal import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgekit.survey import Survey

_WORDS = {
    *("target", "truth", "true", "actual", "expected", "reference", "ref", "response", "y"),
    *("label", "output"),
}
"""One of them in the name of a column of numbers says that a regression is to give those."""


def truth_entries(
    data: Survey, data_name: str | None, kind: str, channels: Sequence[str]
) -> Iterator[Entry]:
    """Yield the lines of [test] for an output of this `kind`; a column that may hold the truth is only a comment."""
    if kind not in {"classes", "value"}:
        return
    left_over = [name for name in data.channels if name not in channels]
    label, origin, guessed = data.columns.label, "", False
    if kind == "value" and not _is_measured(data):
        named = [name for name in left_over if _is_truth(name)]
        label = named[0] if len(named) == 1 else None
        origin, guessed = "what the model is to give, by the column's name", True
    if label is not None:
        yield _entry("data", data_name)
        yield _entry("label", label, origin, guessed=guessed)
    elif kind == "value" and left_over:
        asked = f"the column with the true values, if it is one of {', '.join(left_over)}"
        yield _entry("data", None, f"to be held against true values in {data_name}", data_name)
        yield _entry("label", None, asked, left_over[-1])
    else:
        return
    if kind == "classes":
        yield _entry("min_accuracy", None, "`edgekit eval` fails below it", 0.9)
    yield _entry("golden", None, "written by `edgekit.golden` in your training code", "golden.npz")


def _entry(
    key: str, value: Any, origin: str = "", example: Any = None, *, guessed: bool = False
) -> Entry:
    return Entry(
        section="test",
        key=key,
        value=value,
        origin=origin,
        guessed=guessed,
        needed=False,
        example=example,
    )


def _is_measured(data: Survey) -> bool:
    """Whether the label column holds numbers: words are no values for a regression."""
    if data.values:
        return True
    try:
        return bool([float(label) for label in data.labels])
    except ValueError:
        return False


def _is_truth(name: str) -> bool:
    return not _WORDS.isdisjoint(re.split(r"[^a-z]+", name.lower()))
