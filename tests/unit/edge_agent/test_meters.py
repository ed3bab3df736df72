"""The ladder of meters: the PMIC of a Raspberry Pi 5, the model, and which of them is taken."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal

import pytest

from edge_agent.config import BoardFacts, Budget, PowerModel
from edge_agent.meters.find import find_meter, may_enforce
from edge_agent.meters.model import ModelMeter, busy_of_board
from edge_agent.meters.pi_pmic import PmicMeter, rails_power_w
from edge_agent.meters.videocore import find_firmware

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PMIC_ANSWER = """\
 3V7_WL_SW_A current(0)=0.10000000A
   3V3_SYS_A current(1)=0.20000000A
  VDD_CORE_A current(7)=2.00000000A
 3V7_WL_SW_V volt(8)=3.70000000V
   3V3_SYS_V volt(9)=3.30000000V
  VDD_CORE_V volt(15)=0.90000000V
     EXT5V_V volt(24)=5.15000000V
      BATT_V volt(25)=0.00488400V
"""
RAILS_W = 0.37 + 0.66 + 1.8
MODEL = PowerModel(idle_mw=2700, core_mw=925, uncertainty_percent=40, source="a plug meter")
BOARD = BoardFacts(id="raspberry-pi-4", cores=4, memory_mib=1024, power=MODEL)


def _no_firmware(_root: Path) -> None:
    return None


def test_rails_pair_by_name() -> None:
    """Current and voltage of one rail stand far apart; the input and the battery have no current and do not count."""
    assert rails_power_w(PMIC_ANSWER) == pytest.approx(RAILS_W)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        'error=1 error_msg="Command not registered"',
        "VDD_CORE_A current(7)=1.0A",
        "X_A current(1)=1.2.3A",
    ],
)
def test_an_answer_without_rails(answer: str) -> None:
    """Firmware of other models does not know the command."""
    assert rails_power_w(answer) is None
    assert PmicMeter(lambda _command: answer).read(0.0) is None


def test_the_fit_is_named_with_its_uncertainty() -> None:
    """The published fit of the board's power, and what it leaves out."""
    reading = PmicMeter(lambda _command: PMIC_ANSWER).read(0.0)

    assert reading is not None
    assert reading.mw == pytest.approx(1000 * (1.1451 * RAILS_W + 0.5879))
    assert reading.uncertainty_percent == pytest.approx(10)
    assert "without USB, HATs and NVMe" in reading.source


def test_the_mailbox_is_asked_as_vcgencmd_asks(tmp_path: Path) -> None:
    """1031 words of 32 bits: sizes, tag and text at their places; the answer comes back in the text."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/vcio").touch()
    seen: list[tuple[int, tuple[int, ...], bytes]] = []

    def ioctl(_descriptor: int, request: int, message: bytearray) -> None:
        seen.append((request, struct.unpack_from("=6I", message), bytes(message[24:60])))
        assert len(message) == 4 * 1031
        message[24 : 24 + 6] = b"hello\0"

    ask = find_firmware(tmp_path, ioctl=ioctl, folders=())

    assert ask is not None
    assert ask("pmic_read_adc") == "hello"
    request, words, text = seen[-1]
    assert request in (0xC0086400, 0xC0046400)
    assert words == (4124, 0, 0x00030080, 4096, 0, 0)
    assert text.rstrip(b"\0") == b"pmic_read_adc"


def test_the_program_stands_in_for_a_mailbox_that_refuses(tmp_path: Path) -> None:
    """Without the group `video` the ioctl fails; `vcgencmd` may still be allowed."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/vcio").touch()
    program = tmp_path / "vcgencmd"
    program.write_text('#!/bin/sh\necho "asked $1"\n')
    program.chmod(0o755)

    def refuse(_descriptor: int, _request: int, _message: bytearray) -> None:
        raise PermissionError(1, "Operation not permitted")

    ask = find_firmware(tmp_path, ioctl=refuse, folders=("/nowhere", str(tmp_path)))

    assert ask is not None
    assert ask("pmic_read_adc") == "asked pmic_read_adc\n"


def test_a_program_that_fails_gives_no_answer(tmp_path: Path) -> None:
    """`vcgencmd` on another machine than a Raspberry Pi."""
    program = tmp_path / "vcgencmd"
    program.write_text("#!/bin/sh\nexit 255\n")
    program.chmod(0o755)

    ask = find_firmware(tmp_path, folders=(str(tmp_path),))

    assert ask is not None
    assert ask("pmic_read_adc") is None


def test_a_machine_without_firmware(tmp_path: Path) -> None:
    """No mailbox, no program."""
    assert find_firmware(tmp_path, folders=(str(tmp_path),)) is None


def test_the_model_counts_busy_cores() -> None:
    """Idle power, and so much for each core that was busy since the last reading."""
    busy_s = iter([10.0, 12.0, 12.0])
    meter = ModelMeter(MODEL, 925, lambda: next(busy_s), with_idle=True)

    readings = [meter.read(now_s) for now_s in (100.0, 104.0, 105.0)]

    assert readings[0] is None
    assert [reading.mw for reading in readings if reading] == [2700 + 0.5 * 925, 2700]
    assert readings[1] is not None
    assert not readings[1].measured
    assert (readings[1].source, readings[1].uncertainty_percent) == (
        "model of the board (a plug meter)",
        40,
    )


def test_a_moment_that_the_kernel_does_not_tell() -> None:
    """A busy time that cannot be read is no reading, and the next one spans it."""
    busy_s = iter([10.0, None, 12.0])
    meter = ModelMeter(MODEL, 925, lambda: next(busy_s), with_idle=True)

    readings = [meter.read(now_s) for now_s in (100.0, 101.0, 104.0)]

    assert readings[1] is None
    assert readings[2] is not None
    assert readings[2].mw == pytest.approx(2700 + 0.5 * 925)


def test_busy_time_of_the_board(tmp_path: Path) -> None:
    """All fields but idle and iowait; guests are already in user and nice."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text("cpu  100 20 30 5000 400 5 6 7 90 10\ncpu0 1 2 3\n")

    assert busy_of_board(tmp_path)() == pytest.approx((100 + 20 + 30 + 5 + 6 + 7) / 100)


def test_busy_time_where_only_this_process_is_known(tmp_path: Path) -> None:
    """Without /proc/stat the own time stands in."""
    own_s = busy_of_board(tmp_path)()

    assert own_s is not None
    assert own_s > 0


@pytest.mark.parametrize(
    ("scope", "meter", "board", "firmware", "hwmon", "wanted"),
    [
        ("board", "auto", BOARD, True, True, "ina260 channel 1"),
        ("board", "auto", BOARD, True, False, "Raspberry Pi 5 PMIC"),
        ("board", "auto", BOARD, False, False, "model of the board (a plug meter)"),
        ("board", "model", BOARD, True, True, "model of the board (a plug meter)"),
        ("board", "auto", None, False, True, "ina260 channel 1"),
        ("board", "auto", None, False, False, None),
        ("board", "model", None, True, True, None),
        ("dynamic", "auto", BOARD, False, True, "ina260 channel 1, less 2700 mW idle"),
        ("dynamic", "auto", BOARD, False, False, "model of the board, above idle"),
        ("dynamic", "auto", None, False, True, None),
    ],
)
def test_the_ladder(  # noqa: PLR0913 (each is one thing that varies)
    *,
    tmp_path: Path,
    scope: Literal["board", "dynamic"],
    meter: Literal["auto", "model"],
    board: BoardFacts | None,
    firmware: bool,
    hwmon: bool,
    wanted: str | None,
) -> None:
    """A monitor before the PMIC before the model; above idle only where idle is known."""
    if hwmon:
        chip = tmp_path / "sys/class/hwmon/hwmon0"
        chip.mkdir(parents=True)
        (chip / "name").write_text("ina260\n")
        (chip / "power1_input").write_text("3000000\n")

    def find(_root: Path) -> Callable[[str], str | None] | None:
        return (lambda _command: PMIC_ANSWER) if firmware else None

    found = find_meter(Budget(scope=scope, meter=meter), board, root=tmp_path, find_firmware=find)

    if wanted is None:
        assert found is None
    else:
        assert found is not None
        assert found.source.startswith(wanted)


def test_above_idle(tmp_path: Path) -> None:
    """What is left above idle is as uncertain as the whole it is a part of."""
    chip = tmp_path / "sys/class/hwmon/hwmon0"
    chip.mkdir(parents=True)
    (chip / "name").write_text("ina260\n")
    (chip / "power1_input").write_text("3000000\n")
    meter = find_meter(Budget(scope="dynamic"), BOARD, root=tmp_path, find_firmware=_no_firmware)
    assert meter is not None

    above = meter.read(0.0)
    (chip / "power1_input").write_text("2600000\n")
    below = meter.read(1.0)

    assert above is not None
    assert below is not None
    assert above.mw == pytest.approx(300)
    assert above.uncertainty_percent == pytest.approx(30)
    assert below.mw == 0


def test_a_model_enforces_only_when_it_is_asked_for(tmp_path: Path) -> None:
    """A figure of 40 % uncertainty takes no windows away behind the user's back."""
    model = find_meter(Budget(), BOARD, root=tmp_path, find_firmware=_no_firmware)

    assert model is not None
    assert not may_enforce(Budget(), model)
    assert may_enforce(Budget(meter="model"), model)
    assert not may_enforce(Budget(), None)
    assert may_enforce(Budget(), PmicMeter(lambda _command: PMIC_ANSWER))


def test_a_board_of_which_only_idle_is_known(tmp_path: Path) -> None:
    """Half a model is no meter."""
    half = BoardFacts(
        id="raspberry-pi-5",
        power=PowerModel(idle_mw=3300, uncertainty_percent=40, source="a plug meter"),
    )

    assert find_meter(Budget(), half, root=tmp_path, find_firmware=_no_firmware) is None
