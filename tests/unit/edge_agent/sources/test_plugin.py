"""Classes of the user's own: few lines make a source, and their mistakes make sentences."""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING

import pytest

from edge_agent.config import PluginSource, Stream
from edge_agent.errors import ConfigError, DataError
from edge_agent.sources.plugin import open_plugin
from edge_agent.testing import ManualClock

if TYPE_CHECKING:
    from pathlib import Path

    from edge_agent.sources import Source

STREAM = Stream(channels=("ax", "ay"), rate_hz=100.0, window=4, hop=4)
NUMBERS = itertools.count()

RAMP = """
class Adc:
    def __init__(self, stream, options):
        self.gain = options["gain"]

    def samples(self):
        for number in range(50):
            yield number * self.gain, -number
            if number % 10 == 9:
                yield None
"""


def load(folder: Path, code: str, **options: float) -> Source:
    """Write a package with one module and open its class; each has a name of its own, as modules are kept."""
    package = f"mypkg{next(NUMBERS)}"
    (folder / package).mkdir()
    (folder / package / "__init__.py").touch()
    (folder / package / "adc.py").write_text(code)
    source = PluginSource(kind=f"{package}.adc:Adc", package=package, options=options)
    return open_plugin(STREAM, source, folder, clock=ManualClock(7.0))


def run(source: Source) -> list[tuple[float, ...]]:
    """Return all samples of a source."""
    return [
        values
        for block in source.blocks(ManualClock())
        if block is not None
        for values in struct.iter_unpack("<2f", block.samples)
    ]


def test_a_class_that_yields_samples(tmp_path: Path) -> None:
    """Options reach it; its samples come in order, and are accounted for."""
    source = load(tmp_path, RAMP, gain=2.0)

    assert run(source) == [(2.0 * number, float(-number)) for number in range(50)]
    assert source.counts.read == 50
    assert source.state == "ended"


def test_a_module_without_a_package(tmp_path: Path) -> None:
    """`package` may be a file."""
    name = f"adc{next(NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(RAMP)
    source = PluginSource(kind=f"{name}:Adc", package=f"{name}.py", options={"gain": 1})

    assert len(run(open_plugin(STREAM, source, tmp_path))) == 50


def test_a_source_of_its_own(tmp_path: Path) -> None:
    """A class that has `blocks` is taken as it is."""
    code = """
from edge_agent.records import Block, SampleCounts

class Adc:
    notes, rate_hz_measured, state = (), None, "running"

    def __init__(self, stream, options):
        self.counts = SampleCounts()

    def blocks(self, stop):
        yield None
        self.counts.read += 1
        yield Block(bytes(8), 1, 0.0, 0.01, "start")
        self.state = "ended"
"""
    source = load(tmp_path, code)

    assert run(source) == [(0.0, 0.0)]
    assert (source.counts.read, source.state, source.details) == (1, "ended", {})


def test_a_stop_ends_it_in_order(tmp_path: Path) -> None:
    """Its own `finally` runs, so that it can give its device back."""
    code = """
class Adc:
    closed = False

    def __init__(self, stream, options):
        pass

    def samples(self):
        try:
            while True:
                yield 1.0, 2.0
        finally:
            Adc.closed = True
"""
    source = load(tmp_path, code)
    clock = ManualClock(stop_at_s=1.0)
    for _ in source.blocks(clock):
        clock.advance(0.5)

    assert source.state == "stopped"
    assert source._plugin.closed  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise OSError(5, 'Input/output error')", r"failed: OSError: \[Errno 5\]"),
        ("yield 1.0, 2.0, 3.0", "yielded more than 2 numbers for 2 channels"),
        ("yield (1.0,)", "yielded 1 numbers for 2 channels"),
        ("yield iter(int, 1)", "yielded more than 2 numbers"),
        ("yield 10**400, 0.0", "no sequence of numbers: OverflowError"),
        ("yield '12'", "yielded `12`, which is no sequence of numbers"),
        ("yield {'ax': 1.0, 'ay': 2.0}.keys()", "no sequence of numbers"),
        ("import sys; yield None; sys.exit(0)", "failed: SystemExit: 0"),
        ("yield 'ab'", "yielded `ab`, which is no sequence of numbers"),
        ("yield 5", "yielded `5`, which is no sequence of numbers"),
        ("yield 1 / 0, 0", "failed: ZeroDivisionError: division by zero"),
    ],
)
def test_what_goes_wrong_in_it(tmp_path: Path, body: str, said: str) -> None:
    """A sentence with the name of the class."""
    code = f"class Adc:\n    def __init__(self, *_): pass\n    def samples(self):\n        {body}\n        yield None"
    with pytest.raises(DataError, match=said):
        run(load(tmp_path, code))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("class Other: pass", "has no `Adc`"),
        ("import no_such_module", "cannot be imported: there is no module `no_such_module`"),
        ("def", "cannot be imported: SyntaxError"),
        ("class Adc:\n    def __init__(self): pass", "could not be made: TypeError"),
        ("class Adc:\n    def __init__(self, *_): pass", "has neither `samples` nor `blocks`"),
        ("import sys; sys.exit(0)", "cannot be imported: SystemExit: 0"),
        ("class Adc:\n    def __init__(self, *_): exit(0)", "could not be made: SystemExit: 0"),
        (
            "class Adc:\n    def __init__(self, *_): pass\n    def blocks(self, stop): yield None",
            "has `blocks` but no `counts`",
        ),
        (
            "class Adc:\n    counts = None\n    def __init__(self, *_): pass\n    def blocks(self, stop): yield None",
            "has `counts` of type `NoneType`",
        ),
    ],
)
def test_what_cannot_be_loaded(tmp_path: Path, code: str, said: str) -> None:
    """Before anything runs."""
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, code)


def test_values_are_checked(tmp_path: Path) -> None:
    """As those of any source are."""
    code = RAMP.replace("-number\n", "-number if number != 20 else float('nan')\n", 1)
    source = load(tmp_path, code, gain=1.0)

    assert len(run(source)) == 49
    assert source.counts.dropped == {"bad_value": 1}
