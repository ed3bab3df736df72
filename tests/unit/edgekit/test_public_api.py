"""`import edgekit` is free, and gives what its docstring says."""

from __future__ import annotations

import sys

import pytest

import edgekit
from edgekit.errors import NotProven
from edgekit.process import Command, run
from edgekit.resources import PACKAGE


def test_importing_edgekit_loads_nothing_heavy() -> None:
    """NumPy, ONNX and pydantic are loaded when a name that needs them is used, not before."""
    script = (
        "import sys, edgekit; print([m for m in ('numpy', 'onnx', 'pydantic') if m in sys.modules])"
    )

    finished = run(Command((sys.executable, "-c", script), env={"PYTHONPATH": str(PACKAGE.parent)}))

    assert finished.stdout == "[]\n", finished.stderr


def test_names_are_found_where_they_live() -> None:
    """The public error is the one that is raised; the version is a version."""
    assert edgekit.NotProven is NotProven
    assert edgekit.__version__.count(".") == 2
    assert set(edgekit.__all__) <= set(dir(edgekit))


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A typing mistake reads as everywhere else in Python."""
    with pytest.raises(AttributeError, match="`edgekit` has no attribute `complie`"):
        edgekit.complie  # noqa: B018 (looking it up is the test)
