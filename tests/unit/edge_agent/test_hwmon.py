"""Power monitors as the kernel shows them: the right channel, the right unit, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_agent.meters.hwmon import find_hwmon

if TYPE_CHECKING:
    from pathlib import Path

ORIN_NANO = {
    "name": "ina3221",
    "in1_label": "VDD_IN",
    "in1_input": "19040",
    "curr1_input": "250",
    "in1_enable": "1",
    "in2_label": "VDD_CPU_GPU_CV",
    "in2_input": "19040",
    "curr2_input": "40",
    "in3_label": "VDD_SOC",
    "in3_input": "19040",
    "curr3_input": "70",
    "in4_input": "1250",
    "in7_label": "sum of shunt voltages",
    "in7_input": "1800",
}


def _chip(root: Path, number: int, files: dict[str, str]) -> Path:
    folder = root / f"sys/class/hwmon/hwmon{number}"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(f"{text}\n")
    return folder


def _power_mw(root: Path, now_s: float = 0.0) -> float | None:
    meter = find_hwmon(root)
    reading = meter.read(now_s) if meter else None
    return reading.mw if reading else None


def test_the_total_of_a_jetson_orin_nano(tmp_path: Path) -> None:
    """VDD_IN is all that the module takes; mV and mA make µW, not mW."""
    _chip(tmp_path, 0, {"name": "cpu_thermal", "temp1_input": "45000"})
    _chip(tmp_path, 3, ORIN_NANO)

    meter = find_hwmon(tmp_path)

    assert meter is not None
    reading = meter.read(0.0)
    assert reading is not None
    assert reading.mw == pytest.approx(4760)
    assert reading.source == "ina3221 VDD_IN"
    assert reading.measured
    assert reading.uncertainty_percent == pytest.approx(3)


def test_the_rails_of_a_board_without_a_total(tmp_path: Path) -> None:
    """A Jetson AGX Orin has no rail for all: the sum says that it is not the whole board, and claims no uncertainty."""
    first = {
        "name": "ina3221",
        **{f"in{n}_input": "5000" for n in (1, 2, 3)},
        **{f"curr{n}_input": "200" for n in (1, 2, 3)},
    }
    labels = {"in1_label": "VDD_GPU_SOC", "in2_label": "VDD_CPU_CV", "in3_label": "VIN_SYS_5V0"}
    _chip(tmp_path, 1, {**first, **labels})
    _chip(
        tmp_path, 2, {**first, "in1_label": "NC", "in2_label": "VDDQ_VDD2_1V8AO", "in3_label": "NC"}
    )

    meter = find_hwmon(tmp_path)

    assert meter is not None
    reading = meter.read(0.0)
    assert reading is not None
    assert reading.mw == pytest.approx(4000)
    assert "not the whole board" in reading.source
    assert reading.uncertainty_percent is None


@pytest.mark.parametrize("chip", ["ina219", "ina226", "ina238", "ina260"])
def test_a_monitor_on_the_supply(tmp_path: Path, chip: str) -> None:
    """Its own product in µW; in0 is the shunt."""
    _chip(
        tmp_path,
        0,
        {
            "name": chip,
            "in0_input": "12",
            "in1_input": "5100",
            "curr1_input": "500",
            "power1_input": "2540000",
        },
    )

    assert _power_mw(tmp_path) == pytest.approx(2540)


def test_voltage_times_current_where_there_is_no_power(tmp_path: Path) -> None:
    """Bus voltage `in1`, not the shunt voltage `in0`."""
    _chip(
        tmp_path,
        0,
        {"name": "ina219", "in0_input": "12", "in1_input": "5000", "curr1_input": "500"},
    )

    assert _power_mw(tmp_path) == pytest.approx(2500)


def test_an_average_stands_in_for_the_moment(tmp_path: Path) -> None:
    """Some drivers give `power1_average` alone."""
    _chip(tmp_path, 0, {"name": "ina226", "power1_average": "1500000"})

    assert _power_mw(tmp_path) == pytest.approx(1500)


def test_energy_is_better_than_moments(tmp_path: Path) -> None:
    """What was counted between two readings is their true mean; a counter that begins anew gives no negative power."""
    chip = _chip(
        tmp_path, 0, {"name": "ina238", "power1_input": "9000000", "energy1_input": "1000000"}
    )
    meter = find_hwmon(tmp_path)
    assert meter is not None

    first = meter.read(10.0)
    (chip / "energy1_input").write_text("5000000")
    second = meter.read(12.0)
    (chip / "energy1_input").write_text("100")
    third = meter.read(13.0)

    assert [reading and reading.mw for reading in (first, second, third)] == [9000, 2000, 9000]


@pytest.mark.parametrize("switch", ["in1_enable", "curr1_enable", "power1_enable"])
def test_what_is_switched_off_is_not_read(tmp_path: Path, switch: str) -> None:
    """A channel that is off keeps its last value for ever."""
    _chip(tmp_path, 0, {**ORIN_NANO, switch: "0"})

    meter = find_hwmon(tmp_path)

    assert meter is not None
    assert "VDD_IN" not in meter.source


@pytest.mark.parametrize(
    "chips",
    [
        [],
        [{"name": "cpu_thermal", "temp1_input": "45000"}],
        [{"name": "ucsi_source_psy_usbc000", "in1_input": "5000", "curr1_input": "3000"}],
        [{"name": "ina219", "in1_input": "not a number", "curr1_input": "1"}],
        [{"name": "ina219"}],
        [
            {"name": "ina219", "in1_input": "5000", "curr1_input": "500"},
            {"name": "ina260", "power1_input": "3000000"},
        ],
    ],
    ids=["nothing", "other chips", "a charger", "nonsense", "empty", "two, and nobody says which"],
)
def test_no_meter_is_better_than_a_wrong_one(tmp_path: Path, chips: list[dict[str, str]]) -> None:
    """What cannot be told apart or read is no meter."""
    for number, files in enumerate(chips):
        _chip(tmp_path, number, files)

    assert find_hwmon(tmp_path) is None


def test_a_label_tells_two_monitors_apart(tmp_path: Path) -> None:
    """The one that says it feeds the board is taken, whatever number it has."""
    _chip(tmp_path, 1, {"name": "ina260", "power1_input": "700000", "in1_label": "sensor"})
    _chip(tmp_path, 0, {"name": "ina260", "power1_input": "3000000", "in1_label": "board"})

    assert _power_mw(tmp_path) == pytest.approx(3000)


def test_a_meter_that_goes_away(tmp_path: Path) -> None:
    """An unplugged monitor gives no reading, and no error."""
    chip = _chip(tmp_path, 0, {"name": "ina260", "power1_input": "700000"})
    meter = find_hwmon(tmp_path)
    assert meter is not None

    (chip / "power1_input").unlink()

    assert meter.read(1.0) is None
