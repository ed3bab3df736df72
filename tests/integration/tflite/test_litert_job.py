"""The reference job: LiteRT over frames, and what it says where it cannot run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgekit.errors import ModelError
from edgekit.model.proof import litert
from edgekit.model.proof.reference import EXACT, OPTIMISED

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.tflite.conftest import Tflite

PARAMETERS: dict[str, Any] = {
    "path": "given.tflite",
    "outputs": ["t1"],
    "noise": True,
    "state": [],
    "resets": None,
}


def _write(folder: Path, t: Tflite, frames: Any) -> None:
    (folder / "model.tflite").write_bytes(t.finish([0], [1]))
    np.savez(folder / "inputs.npz", input_t0=frames)


def test_frames_go_in_and_come_out(tmp_path: Path, new_tflite: type[Tflite]) -> None:
    """Outputs of both sets of kernels, by the names that the model has here."""
    t = new_tflite()
    x, y = t.tensor((1, 4)), t.tensor((1, 4))
    t.step("RELU", [x], [y])
    frames = np.arange(-6, 6, dtype=np.float32).reshape(3, 1, 4)
    _write(tmp_path, t, frames)

    result = litert.job(tmp_path, PARAMETERS)

    assert result["frames"] == [0, 1, 2]
    assert result["version"].startswith("ai-edge-litert ")
    for name in (EXACT, OPTIMISED):
        with np.load(tmp_path / name) as arrays:
            assert np.array_equal(arrays["output_t1"], np.maximum(frames, 0))


def test_a_model_that_litert_refuses(tmp_path: Path, new_tflite: type[Tflite]) -> None:
    """Shapes that do not go together: the sentence has LiteRT's reason."""
    t = new_tflite()
    x, y = t.tensor((1, 4)), t.tensor((1, 3))
    weights = t.constant(np.ones((3, 5)))
    t.step("FULLY_CONNECTED", [x, weights, -1], [y], "FullyConnectedOptions")
    _write(tmp_path, t, np.zeros((1, 1, 4), np.float32))

    with pytest.raises(ModelError, match=r"LiteRT cannot load `given\.tflite`"):
        litert.job(tmp_path, PARAMETERS)


def test_without_litert_the_extra_is_named(
    tmp_path: Path, new_tflite: type[Tflite], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no proof without a reference; the hint is the line that installs it."""
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    t = new_tflite()
    x, y = t.tensor((1, 4)), t.tensor((1, 4))
    t.step("RELU", [x], [y])
    _write(tmp_path, t, np.zeros((1, 1, 4), np.float32))

    with pytest.raises(ModelError) as raised:
        litert.job(tmp_path, PARAMETERS)

    assert 'pip install "edgekit[tflite]"' in str(raised.value.hint)
