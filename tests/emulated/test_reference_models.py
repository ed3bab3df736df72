"""Third parties' models that are proven here: the board's kernels give the same numbers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import edgekit
from edgekit.emulator.trial import self_test

if TYPE_CHECKING:
    from edgekit.emulator.machine import Machine
    from tests.emulated.conftest import MakeMachine, Unpack

MODELS = Path(
    os.environ.get(
        "EDGEKIT_REFERENCE_MODELS", Path(__file__).parents[3] / "shared" / "reference-models"
    )
)

pytestmark = [
    pytest.mark.native,
    pytest.mark.emulated,
    pytest.mark.skipif(
        not MODELS.is_dir(),
        reason=f"the reference models are not at {MODELS}; EDGEKIT_REFERENCE_MODELS says where they are",
    ),
]

WAKE_WORD = {"window": 30, "channels": 40, "hop": 1}
USUAL: list[tuple[str, dict[str, Any]]] = [
    ("har/har_st.onnx", {"window": 26, "channels": 3, "hop": 13, "scale": 1 / 4000}),
    ("mlperf_tiny/vww_96_int8_qdq.onnx", {}),
    ("silero/silero_vad_openvino_16k.onnx", {}),
]
"""A stream, a quantised net, a recurrent one: some of each."""
MORE: list[tuple[str, dict[str, Any]]] = [
    ("mlperf_tiny/ad01_fp32.onnx", {}),
    (
        "mlperf_tiny/ad01_fp32.onnx",
        {"window": 5, "channels": 128, "kind": "anomaly", "layout": "time-channel"},
    ),
    ("mlperf_tiny/pretrainedResnet.onnx", {}),
    ("mlperf_tiny/vww_96_float.onnx", {}),
    ("sww/str_ww_ref_model_qdq.onnx", {**WAKE_WORD, "scale": 1 / 0.003701, "offset": -128}),
    ("sww/str_ww_stream_S.onnx", WAKE_WORD),
    ("ultraface/version-RFB-320.onnx", {}),
    ("yunet/yunet_n_320_320.onnx", {}),
]
KERNELS = ["a53", "a72", "generic"]


def _reproduces(board: Machine, folder: Path) -> None:
    report = self_test(board, folder)

    assert report["problem"] == ""
    assert report["kernels"]["chosen"] == board.kernels
    assert report["vectors"]["count"] == 14
    assert report["vectors"]["bad"] == report["vectors"]["other_argmax"] == 0
    assert report["machine"] == "aarch64"


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize(
    ("file", "arguments"),
    [*USUAL, *(pytest.param(*model, marks=pytest.mark.slow) for model in MORE)],
)
def test_bookworm_reproduces_it(
    machine: MakeMachine, unpack: Unpack, kernels: str, file: str, arguments: dict[str, Any]
) -> None:
    """Every vector within the tolerance, a stream equal to its windows, the memory as planned."""
    _reproduces(machine(kernels), unpack(edgekit.compile(MODELS / file, **arguments)))


@pytest.mark.slow
@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize(("file", "arguments"), [*USUAL, *MORE])
def test_trixie_reproduces_it(
    machine: MakeMachine, unpack: Unpack, kernels: str, file: str, arguments: dict[str, Any]
) -> None:
    """The same with Python 3.13 and a newer glibc."""
    board = machine(kernels, release="debian-13")
    _reproduces(board, unpack(edgekit.compile(MODELS / file, **arguments)))
