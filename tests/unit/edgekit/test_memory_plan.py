"""What a service will occupy: the parts that it has, and a refusal with the numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_agent import config
from edgekit.errors import OverBudget
from edgekit.memory_plan import MemoryPlan, Part, memory_plan
from edgekit.project import ModelSection, Project, ProjectSection, StreamInput, TensorInput

MIB = 1 << 20
PROJECT = Project(
    project=ProjectSection(name="gait"),
    model=ModelSection(path="gait.onnx"),
    input=StreamInput(channels=("ax", "ay", "az"), rate_hz=50, window=128, hop=16),
    source=config.SerialSource(port="/dev/ttyUSB0", format="csv"),
    sink=(config.JsonlSink(path="out.jsonl"),),
)
ENGINE = {"live_bytes": 4 * MIB, "peak_bytes": 6 * MIB, "load_bytes": 5 * MIB}


def _sizes(plan: MemoryPlan) -> dict[str, int]:
    return {part.name: part.size_bytes for part in plan.parts}


def test_the_engine_counts_by_what_it_held_at_most() -> None:
    """While it runs, or while the archive is loaded: whichever is more."""
    running = memory_plan(PROJECT, ENGINE, archive_bytes=MIB // 2)
    loading = memory_plan(PROJECT, ENGINE, archive_bytes=3 * MIB)

    names = ("weights", "intermediate results", "loading")
    assert [_sizes(running)[name] // MIB for name in names] == [4, 2, 0]
    assert [_sizes(loading)[name] // MIB for name in names] == [4, 2, 2]
    assert _sizes(running)["ring of samples"] == 4 * 3 * 128


def test_the_network_costs_a_process() -> None:
    """A sink that needs the uplink adds Python a second time."""
    local = memory_plan(PROJECT, ENGINE, MIB)
    mqtt = config.MqttSink(kind="mqtt", url="mqtt://broker")
    remote = memory_plan(replace(PROJECT, sink=(mqtt,)), ENGINE, MIB)

    assert "uplink" not in _sizes(local)
    assert remote.total_bytes - local.total_bytes > 20 * MIB


def test_every_kind_of_source_has_a_figure() -> None:
    """A plugin is planned without what it imports itself."""
    plugin = config.PluginSource(kind="mine.adc:Adc", package="mine")
    totals = {
        source.kind if source else "none": memory_plan(
            replace(PROJECT, source=source), ENGINE, MIB
        ).total_bytes
        for source in (
            None,
            config.StdinSource(),
            config.SysfsSource(files=("/sys/a", "/sys/b", "/sys/c")),
            plugin,
        )
    }

    assert set(totals) == {"none", "stdin", "sysfs", "mine.adc:Adc"}
    assert min(totals.values()) > 25 * MIB


def test_a_model_that_is_called_with_tensors_has_no_agent_around_it() -> None:
    """No source, no sinks, no queue."""
    tensor = replace(PROJECT, input=TensorInput(kind="tensor"), source=None, sink=())

    assert set(_sizes(memory_plan(tensor, ENGINE, MIB))) == {
        "weights",
        "intermediate results",
        "loading",
        "engine",
        "Python and agent",
    }


def test_too_much_is_refused_with_the_numbers() -> None:
    """The largest part first, and the number to write."""
    plan = MemoryPlan(
        parts=(Part(name="engine", size_bytes=8 * MIB), Part(name="model", size_bytes=50 * MIB)),
        limit_bytes=48 * MIB,
    )

    with pytest.raises(OverBudget, match=r"needs 58\.0 MiB, `budget\.memory_mib` is 48") as caught:
        plan.check()

    assert caught.value.message.endswith("model 50.0 MiB, engine 8.0 MiB")
    assert "set `memory_mib` to 58 in [budget]" in (caught.value.hint or "")
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("limit_mib", [None, 58, 100])
def test_what_fits_is_let_through(limit_mib: int | None) -> None:
    """Up to the last byte, and without a limit in any case."""
    limit_bytes = None if limit_mib is None else limit_mib * MIB
    plan = MemoryPlan(parts=(Part(name="all", size_bytes=58 * MIB),), limit_bytes=limit_bytes)

    plan.check()

    assert plan.share == (None if limit_mib is None else 58 / limit_mib)
    assert plan.to_json() == {
        "total_bytes": 58 * MIB,
        "limit_bytes": limit_bytes,
        "parts": {"all": 58 * MIB},
    }
