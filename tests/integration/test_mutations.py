"""Damaged model files: each ends proven or with a sentence, never with a traceback, a hang or a dead parent."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

import edgekit
from edgekit.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.native

_SHORT, _LONG = 24, 520


def _damaged(data: bytes, rng: random.Random) -> bytes:
    """Return the bytes with a few of them changed, lost, added or cut off."""
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4])):
        at = rng.randrange(len(damaged))
        way = rng.choice(["byte", "bit", "lose", "add", "cut"])
        if way == "byte":
            damaged[at] = rng.randrange(256)
        elif way == "bit":
            damaged[at] ^= 1 << rng.randrange(8)
        elif way == "lose":
            del damaged[at : at + rng.randrange(1, 9)]
        elif way == "add":
            damaged[at:at] = rng.randbytes(rng.randrange(1, 5))
        elif rng.random() < 0.2:
            del damaged[at:]
        if not damaged:
            break
    return bytes(damaged)


@pytest.mark.parametrize("count", [_SHORT, pytest.param(_LONG, marks=pytest.mark.slow)])
def test_damaged_models_are_proven_or_refused(count: int, classifier: Path) -> None:
    """A changed weight may still make a model; whatever is accepted was proven against the same damaged file."""
    rng = random.Random(count)
    whole = classifier.read_bytes()
    proven, said = 0, list[str]()
    for number in range(count):
        path = classifier.with_name(f"damaged-{number}.onnx")
        path.write_bytes(_damaged(whole, rng))
        stream = {"window": 16, "channels": 3} if number % 3 else {}
        try:
            edgekit.compile(path, **stream)  # type: ignore[arg-type] # two integers
            proven += 1
        except (ModelError, ConfigError) as error:
            said.append(str(error))

    assert proven > 0
    assert len(said) == count - proven > 0
    assert all("damaged-" in message or "the model" in message for message in said), said
