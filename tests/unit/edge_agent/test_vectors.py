"""The file of test vectors: what is written comes back, and nothing else is accepted."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import ConfigError, VerificationFailed
from edge_agent.model_facts import Tensor
from edge_agent.vectors import (
    LARGEST_BYTES,
    Drawn,
    Given,
    Input,
    Kept,
    Outline,
    Vector,
    Vectors,
    drawn,
    largest,
    read_vectors,
    unpacked,
    write_vectors,
)

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = Tensor(name="x", dtype="float32", shape=(2, 2))


def _vector(recipe: Input, data: bytes = b"") -> Vector:
    return Vector(
        outline=Outline(
            kind="random",
            inputs={"x": recipe},
            outputs={"y": Kept(step=1, size_bytes=8, argmax=1, margin=0.5)},
        ),
        given={"x": data} if data else {},
        expected={"y": struct.pack("<2f", 0.25, 0.75)},
    )


VECTORS = Vectors(
    model="a" * 64,
    vectors=(
        _vector(Given(size_bytes=16), struct.pack("<4f", 1, 2, 3, 4)),
        _vector(Drawn(seed=7, levels=256, low=(-1.0,), high=(1.0,))),
    ),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file of two vectors."""
    path = tmp_path / "vectors.bin"
    path.write_bytes(write_vectors(VECTORS))
    return path


def test_what_is_written_is_read(file: Path) -> None:
    """Given and drawn inputs, outputs and all that is said of them come back."""
    assert read_vectors(file) == VECTORS


def test_equal_vectors_have_equal_bytes() -> None:
    """A bundle made twice is the same bundle."""
    assert write_vectors(VECTORS) == write_vectors(VECTORS)


def test_a_given_input_is_itself() -> None:
    """A recorded window is given as it was recorded."""
    assert unpacked(VECTORS.vectors[0].input(SAMPLES), "f") == (1.0, 2.0, 3.0, 4.0)


def test_a_drawn_input_is_the_same_everywhere() -> None:
    """The numbers are held here as well: another Python that drew others would prove nothing."""
    recipe = Drawn(seed=20261122, levels=256, low=(-2.0, 0.0), high=(2.0, 1.0))

    found = unpacked(drawn(recipe, SAMPLES), "f")

    noise = hashlib.shake_256(b"edgekit 20261122").digest(4)
    expected = [
        low + (high - low) * byte / 255
        for byte, low, high in zip(noise, (-2.0, 0.0) * 2, (2.0, 1.0) * 2, strict=True)
    ]
    assert found == pytest.approx(expected, rel=1e-6)


@given(
    levels=st.integers(1, 256),
    low=st.floats(-1e3, 1e3, width=32),
    span=st.floats(0, 1e3, width=32),
    seed=st.integers(0, 2**31),
)
def test_drawn_values_stay_in_their_range(levels: int, low: float, span: float, seed: int) -> None:
    """Every value is one of the levels between the two ends."""
    recipe = Drawn(seed=seed, levels=levels, low=(low,), high=(low + span,))
    wide = Tensor(name="x", dtype="float64", shape=(64,))

    values = unpacked(drawn(recipe, wide), "d")

    assert len(set(values)) <= levels
    assert all(low - 1e-9 <= value <= low + span + 1e-9 for value in values)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "bool", "float16"])
def test_every_type_can_be_drawn(dtype: str) -> None:
    """Indices, flags and half floats are drawn as what they are."""
    tensor = Tensor(name="x", dtype=dtype, shape=(3, 5))  # type: ignore[arg-type]

    values = unpacked(drawn(Drawn(seed=1, levels=4, low=(0.0,), high=(3.0,)), tensor), tensor.code)

    assert len(values) == 15
    assert set(values) <= {0, 1, 2, 3}
    assert len(set(values)) > 1


@pytest.mark.parametrize("place", [0, 30, -40, -1])
def test_a_changed_byte_is_found(file: Path, place: int) -> None:
    """In the head, the outline, the numbers and the digest."""
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)

    with pytest.raises(VerificationFailed, match="damaged"):
        read_vectors(file)


@pytest.mark.parametrize("length", [0, 10, 60, 200])
def test_a_cut_file_is_found(file: Path, length: int) -> None:
    """A copy that was cut short, anywhere."""
    file.write_bytes(file.read_bytes()[:length])

    with pytest.raises(VerificationFailed, match="damaged"):
        read_vectors(file)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"size_bytes":16', b'"size_bytes":12', "where"),
        (b'"size_bytes":16', b'"size_bytes":-6', "positive"),
        (b'"levels":256', b'"levels":999', "levels"),
        (b'"kind":"drawn"', b'"kind":"taken"', "drawn"),
        (b'"model"', b'"madel"', "madel"),
        (b'{"model"', b"[[model]", "JSON"),
    ],
)
def test_nonsense_with_a_right_digest_is_found(
    file: Path, old: bytes, new: bytes, reason: str
) -> None:
    """A file that another program wrote is read as strictly as a damaged one."""
    content = file.read_bytes()[:-32].replace(old, new, 1)
    file.write_bytes(content + hashlib.sha256(content).digest())

    with pytest.raises(VerificationFailed, match=reason):
        read_vectors(file)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    """What does not fit a small board's memory is refused by its size."""
    path = tmp_path / "vectors.bin"
    with path.open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)

    with pytest.raises(VerificationFailed, match="larger than 16 MiB"):
        read_vectors(path)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    """It names the file."""
    with pytest.raises(ConfigError, match=r"cannot read `.*vectors\.bin`: No such file"):
        read_vectors(tmp_path / "vectors.bin")


def test_an_input_of_another_size_is_refused() -> None:
    """Vectors of another model are not given to this one."""
    other = Tensor(name="x", dtype="float32", shape=(3, 2))

    with pytest.raises(VerificationFailed, match="16 bytes for the input `x`"):
        VECTORS.vectors[0].input(other)


@pytest.mark.parametrize(
    ("values", "position", "margin"),
    [
        ((0.25, 0.75), 1, 0.5),
        ((3.0, 3.0), 0, 0.0),
        ((5.0,), 0, None),
        ((float("nan"), 1.0), 0, None),
        ((float("-inf"), 1.0), 1, None),
        ((1.0, 4.0, 2.0), 1, 2.0),
    ],
)
def test_the_largest_value_and_its_margin(
    values: tuple[float, ...], position: int, margin: float | None
) -> None:
    """There is no margin where there is nothing to be larger than, or no number."""
    found = largest(values)

    assert found[1] == margin
    if margin is not None:
        assert found[0] == position
