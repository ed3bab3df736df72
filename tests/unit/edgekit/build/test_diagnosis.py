"""A failed build is one sentence: the cause, and where all of it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.build.diagnosis import build_failed, first_error
from edgekit.errors import ToolError

LOG = Path("/cache/logs/build.log")

UNDEFINED = """\
   Compiling edgekit-python v0.1.0 (/home/ann/edgekit/runtime/crates/python)
error: linking with `/cache/zigcc` failed: exit status: 1
  |
  = note:  "/cache/zigcc" "-m64" "/target/symbols.o" "-Wl,--as-needed"
  = note: some arguments are omitted. use `--verbose` to show all linker arguments
  = note: ld.lld: error: undefined symbol: cblas_sgemm
          >>> referenced by lib.rs
          collect2: error: ld returned 1 exit status

error: could not compile `edgekit-python` (lib) due to 1 previous error
💥 maturin failed
  Caused by: Failed to build a native library through cargo
"""
TYPE = """\
   Compiling edgekit-engine v0.1.0
error[E0308]: mismatched types
  --> crates/engine/src/lib.rs:10:5
error: aborting due to 1 previous error
error: could not compile `edgekit-engine` (lib) due to 1 previous error
"""
CRATES = """\
error: failed to get `prost` as a dependency of package `edgekit-engine v0.1.0`
Caused by:
  attempting to make an HTTP request, but --offline was specified
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (UNDEFINED, "ld.lld: error: undefined symbol: cblas_sgemm"),
        (TYPE, "error[E0308]: mismatched types"),
        ("something\nKilled\n\n", "Killed"),
        ("", "it printed nothing"),
        ("error: could not compile `x`", "error: could not compile `x`"),
    ],
)
def test_the_first_real_error(text: str, said: str) -> None:
    """The linker's own line goes before rustc's report that the linker failed."""
    assert first_error(text.splitlines()) == said


def test_the_error_names_the_log() -> None:
    """One line on the terminal, all of it in the log."""
    error = build_failed(UNDEFINED.splitlines(), LOG, "maturin")

    assert "undefined symbol: cblas_sgemm" in error.message
    assert str(LOG) in str(error.hint)
    assert error.exit_code == 1


def test_a_full_disk() -> None:
    """It is not the compiler's fault."""
    text = "error: failed to write `/target/x.o`: No space left on device (os error 28)"
    error = build_failed([text], LOG, "maturin")

    assert error.message.startswith("the disk is full")
    assert "make room" in str(error.hint)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("error: linker `aarch64-linux-gnu-gcc` not found", "linker `aarch64-linux-gnu-gcc`"),
        ("error[E0463]: can't find crate for `core`", "standard library"),
        (CRATES, "crates are not all here"),
    ],
)
def test_what_is_missing(text: str, said: str) -> None:
    """Missing things are exit code 6, with what to do."""
    error = build_failed(text.splitlines(), LOG, "maturin")

    assert isinstance(error, ToolError)
    assert said in error.message
    assert error.hint


def test_a_line_that_never_ends() -> None:
    """Linkers print kilobytes in a line; a terminal gets the beginning."""
    assert len(first_error(["error: " + "x" * 10_000])) == 300
