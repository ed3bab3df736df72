"""The confusion matrix in as much width as the terminal has: by name, by number, or a list of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.cli.console import bar, columns, table_width

if TYPE_CHECKING:
    from edgekit.cli.console import Console
    from edgekit.model.evaluation.confusion import Confusion

    Table = tuple[list[str], list[list[str]]]


def show_confusion(confusion: Confusion, console: Console) -> None:
    """Print the widest form that fits; the list if none does."""
    forms = (_by_name(confusion), _by_number(confusion), _as_list(confusion))
    header, rows = next((form for form in forms if table_width(*form) <= columns()), forms[-1])
    console.table(header, rows)


def _by_name(confusion: Confusion) -> Table:
    header = ["true \\ predicted", *confusion.labels, "recall", ""]
    rows = [
        [score.label, *map(str, counts), _share(score.recall), bar(score.recall or 0.0, 10)]
        for score, counts in zip(confusion.by_label, confusion.counts, strict=True)
    ]
    precision = [_share(score.precision) for score in confusion.by_label]
    return header, [*rows, ["precision", *precision, "", ""]]


def _by_number(confusion: Confusion) -> Table:
    """Return the matrix with numbered columns; precision has one of its own, as a share is wider than most counts."""
    numbers = [str(number) for number, _ in enumerate(confusion.labels, start=1)]
    header = ["true \\ predicted", *numbers, "recall", "precision"]
    rows = [
        [
            f"{number:>{len(numbers[-1])}} {score.label}",
            *map(str, counts),
            _share(score.recall),
            _share(score.precision),
        ]
        for number, score, counts in zip(numbers, confusion.by_label, confusion.counts, strict=True)
    ]
    return header, rows


def _as_list(confusion: Confusion) -> Table:
    rows = [
        [score.label, str(score.windows), _share(score.recall), _share(score.precision)]
        for score in confusion.by_label
    ]
    return ["label", "windows", "recall", "precision"], rows


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
