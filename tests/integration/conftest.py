"""Damage to model files, for the tests that try many."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

Damage = Callable[[bytes, random.Random], bytes]


@pytest.fixture(scope="session")
def damage() -> Damage:
    """Return a function that gives bytes back with a few of them changed, lost, added, moved or cut off."""

    def damage(data: bytes, rng: random.Random) -> bytes:
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 4])):
            if damaged:
                rng.choice(_WAYS)(damaged, rng.randrange(len(damaged)), rng)
        if rng.random() < 0.05:
            del damaged[rng.randrange(len(data)) :]
        return bytes(damaged)

    return damage


def _byte(data: bytearray, at: int, rng: random.Random) -> None:
    data[at] = rng.randrange(256)


def _bit(data: bytearray, at: int, rng: random.Random) -> None:
    data[at] ^= 1 << rng.randrange(8)


def _lose(data: bytearray, at: int, rng: random.Random) -> None:
    del data[at : at + rng.randrange(1, 9)]


def _add(data: bytearray, at: int, rng: random.Random) -> None:
    data[at:at] = rng.randbytes(rng.randrange(1, 5))


def _edge(data: bytearray, at: int, rng: random.Random) -> None:
    """Put in a length or a number at the end of its range."""
    data[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])


def _copy(data: bytearray, at: int, rng: random.Random) -> None:
    source, length = rng.randrange(len(data)), rng.randrange(1, 33)
    data[at : at + length] = data[source : source + length]


_WAYS = (_byte, _bit, _lose, _add, _edge, _copy)
