"""Damaged .tflite files: a verdict or a sentence, never a traceback, a hang or a dead parent."""

from __future__ import annotations

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

import edgekit
from edgekit.errors import ConfigError, ModelError, NotProven

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.tflite.conftest import Tflite

    Damage = Callable[[bytes, random.Random], bytes]

pytestmark = pytest.mark.native


@pytest.fixture
def dense(new_tflite: type[Tflite]) -> bytes:
    """Return a dense layer of codes with a softmax behind it."""
    t, rng = new_tflite(), np.random.default_rng(0)
    x = t.tensor((1, 8), "int8", scale=0.02, zero=3)
    a = t.tensor((1, 3), "int8", scale=0.1, zero=0)
    y = t.tensor((1, 3), "int8", scale=1 / 256, zero=-128)
    weights = t.constant(rng.integers(-127, 128, (3, 8)), "int8", scale=0.01)
    bias = t.constant(rng.integers(-99, 99, 3), "int32", scale=0.0002)
    t.step("FULLY_CONNECTED", [x, weights, bias], [a], "FullyConnectedOptions", version=4)
    t.step("SOFTMAX", [a], [y], "SoftmaxOptions", Beta=1.0, version=2)
    return t.finish([x], [y])


@pytest.mark.parametrize("count", [40, pytest.param(4000, marks=pytest.mark.slow)])
def test_damaged_files_are_proven_or_refused(
    count: int, dense: bytes, damage: Damage, tmp_path: Path
) -> None:
    """Whatever is accepted was proven against LiteRT on the same damaged file."""

    def one(number: int) -> str:
        path = tmp_path / f"damaged-{number}.tflite"
        path.write_bytes(damage(dense, random.Random(f"{count} {number}")))
        try:
            edgekit.compile(path)
        except (ModelError, ConfigError, NotProven) as error:
            return type(error).__name__ if error.message else "nothing said"
        return "proven"

    # what takes the time happens in children
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = Counter(pool.map(one, range(count)))

    assert outcomes["proven"] > 0
    assert outcomes["ModelError"] > 0
    assert "nothing said" not in outcomes
