"""A wheel is what its library is, whatever its name says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edgekit.board import Release, find_board
from edgekit.build.verify import WheelFacts, check_wheel, fits, wheel_facts
from edgekit.errors import OverBudget, VerificationFailed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.edgekit.build.conftest import Workshop

PI_4 = find_board("raspberry-pi-4", None)
PI_3 = find_board("raspberry-pi-3", None)


def _facts(workshop: Workshop, **changes: object) -> WheelFacts:
    facts = wheel_facts(workshop.wheel())
    return replace(facts, library=replace(facts.library, **changes))  # type: ignore[arg-type]


def test_the_facts_of_a_wheel(workshop: Workshop) -> None:
    """Machine, page size and oldest Python come from the files in it."""
    facts = wheel_facts(workshop.wheel())

    assert facts.python == "3.10"
    assert facts.library.machine == "aarch64"
    assert facts.library.page_size_bytes == 65536
    assert facts.library.stripped
    assert (facts.library.glibc, facts.library.needed) == (None, ())
    check_wheel(facts, PI_4)


@pytest.mark.parametrize(
    "data", [b"", b"\x7fELF", b"\x7fELF\x02\x01\x01" + bytes(40), b"no library"]
)
def test_a_library_that_is_none(workshop: Workshop, data: bytes) -> None:
    """Cut off or something else: a sentence."""
    with pytest.raises(VerificationFailed, match="no shared library"):
        wheel_facts(workshop.wheel(library=data))


def test_a_wheel_that_is_none(tmp_path: Path) -> None:
    """Not even a zip file."""
    wheel = tmp_path / "a.whl"
    wheel.write_bytes(b"nothing")

    with pytest.raises(VerificationFailed, match="is no wheel"):
        wheel_facts(wheel)


def test_a_wheel_for_one_python(workshop: Workshop) -> None:
    """Boards differ in their Python: the stable interface is a must."""
    with pytest.raises(VerificationFailed, match="abi3"):
        wheel_facts(workshop.wheel(tag="cp311-cp311-linux_aarch64"))


def test_another_machine(workshop: Workshop) -> None:
    """An x86 library in a wheel that calls itself aarch64."""
    facts = wheel_facts(workshop.wheel(library=workshop.library("x86_64")))

    with pytest.raises(
        VerificationFailed, match="built for x86_64: board `raspberry-pi-4` is aarch64"
    ):
        check_wheel(facts, PI_4)


def test_a_library_that_not_every_system_has(workshop: Workshop) -> None:
    """What it needs beyond the C library would be missing on the device."""
    facts = _facts(workshop, needed=("libc.so.6", "libgcc_s.so.1", "libpython3.11.so.1.0"))

    with pytest.raises(VerificationFailed, match=r"`libpython3.11.so.1.0`"):
        check_wheel(facts, PI_4)


def test_pages_that_are_larger_than_the_alignment(workshop: Workshop) -> None:
    """The Raspberry Pi 5's kernel has pages of 16 KiB: a library for 4 KiB does not load there."""
    facts = wheel_facts(workshop.wheel(library=workshop.library(page=4096)))

    check_wheel(facts, PI_4)
    with pytest.raises(VerificationFailed, match="pages of 4096 bytes"):
        check_wheel(facts, find_board("raspberry-pi-5", None))


def test_the_erratum_matters_on_its_cpu_alone(workshop: Workshop) -> None:
    """A Cortex-A53 may compute wrong addresses; a Cortex-A72 does not."""
    facts = _facts(workshop, erratum_843419=2)

    check_wheel(facts, PI_4)
    with pytest.raises(VerificationFailed, match="2 sequences of erratum 843419") as caught:
        check_wheel(facts, PI_3)
    assert "--toolchain gcc" in str(caught.value.hint)


def test_a_glibc_that_is_too_new_for_every_system(workshop: Workshop) -> None:
    """It does not fit the board: exit code 4, and what would."""
    facts = _facts(workshop, glibc="2.99")

    with pytest.raises(OverBudget, match=r"needs glibc 2\.99.*Trixie.*has 2\.41") as caught:
        check_wheel(facts, PI_4)
    assert caught.value.exit_code == 4
    assert "--toolchain zig" in str(caught.value.hint)


def test_which_systems_it_fits(workshop: Workshop) -> None:
    """By glibc, Python, page size and CPU, each with its reason."""
    facts = _facts(workshop, glibc="2.36", page_size_bytes=4096, erratum_843419=1)
    boards = [PI_4, PI_3, find_board("raspberry-pi-5", None)]

    found = {
        (fit.board.id, fit.release.id): fit.reason
        for fit in fits(facts, PI_4.target, "generic", boards)
    }

    assert found["raspberry-pi-4", "bookworm"] is None
    assert "Python is 3.9" in str(found["raspberry-pi-4", "bullseye"])
    assert "erratum" in str(found["raspberry-pi-3", "bookworm"])
    assert "pages of 16384" in str(found["raspberry-pi-5", "bookworm"])


def test_code_for_one_cpu_fits_no_other(workshop: Workshop) -> None:
    """Instructions of a Cortex-A76 are unknown to a Cortex-A53."""
    facts = wheel_facts(workshop.wheel())

    found = fits(facts, PI_4.target, "cortex-a72", [replace(PI_4, cpu="cortex-a72"), PI_3])

    assert {fit.board.id for fit in found} == {"raspberry-pi-4"}


def test_a_glibc_that_only_the_newer_system_has(workshop: Workshop) -> None:
    """One system is enough to ship; the others are named with the reason."""
    releases = (
        Release(id="old", title="Old", glibc="2.31", python="3.11"),
        Release(id="new", title="New", glibc="2.39", python="3.12"),
    )
    board = replace(PI_4, releases=releases)
    facts = _facts(workshop, glibc="2.34")

    check_wheel(facts, board)
    reasons = [fit.reason for fit in fits(facts, board.target, "generic", [board])]
    assert reasons == ["its glibc is 2.31: 2.34 is needed", None]
