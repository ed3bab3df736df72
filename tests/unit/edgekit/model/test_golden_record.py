"""Golden records: what is taken, what is refused, and that a file comes back as it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgekit.errors import DataError, EdgeKitError
from edgekit.model.golden.golden import golden
from edgekit.model.golden.record import GoldenRecord

if TYPE_CHECKING:
    from pathlib import Path

RAW = np.arange(24).reshape(3, 4, 2)
OUTPUTS = np.array([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]])


class Tensor:
    """Like a torch tensor: an array by protocol."""

    def __init__(self, values: Any, error: Exception | None = None) -> None:
        self._values = values
        self._error = error

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        """Return the values, or refuse as torch does."""
        del dtype, copy
        if self._error is not None:
            raise self._error
        return np.asarray(self._values)


@pytest.mark.parametrize("raw", [RAW, RAW.tolist(), Tensor(RAW), RAW.astype(np.int16)])
def test_windows_come_back(tmp_path: Path, raw: Any) -> None:
    """Arrays, lists and tensors of any number type; labels in order."""
    names = np.array(["a", "b"])
    golden(
        raw,
        Tensor(OUTPUTS),
        tmp_path / "golden.npz",
        labels=np.array(["left", "right"]),
        channels=names,
    )

    record = GoldenRecord.load(tmp_path / "golden.npz")

    assert (record.labels, record.channels) == (("left", "right"), ("a", "b"))
    assert record.hop is None
    assert np.array_equal(record.windows(4, 2), RAW)
    assert np.array_equal(record.outputs, OUTPUTS.astype(np.float32))
    assert [path.name for path in tmp_path.iterdir()] == ["golden.npz"]


def test_a_record_without_channel_names(tmp_path: Path) -> None:
    """Records that were written before there were names are read as before."""
    path = tmp_path / "golden.npz"
    golden(RAW, OUTPUTS, path, channels=["a", "b"])
    members = dict(np.load(path))
    del members["channels"]
    np.savez(path, **members)

    assert GoldenRecord.load(path).channels == ()


def test_a_recording_is_cut(tmp_path: Path) -> None:
    """With a hop, windows begin at every third sample; outputs `[n]` become one column."""
    golden(np.arange(20).reshape(10, 2), [0.1, 0.2, 0.3], tmp_path / "g.npz", hop=3)

    record = GoldenRecord.load(tmp_path / "g.npz")

    assert record.outputs.shape == (3, 1)
    assert record.windows(4, 2)[:, 0, 0].tolist() == [0, 6, 12]


@pytest.mark.parametrize(
    ("raw", "outputs", "more", "message"),
    [
        (RAW, [1, 0, 1], {}, "class numbers"),
        (RAW, OUTPUTS > 0.5, {}, "class numbers"),
        (RAW, OUTPUTS[:2], {}, "3 windows and `outputs` 2"),
        (RAW[0], OUTPUTS, {}, "needs `hop`"),
        (RAW, OUTPUTS, {"hop": 2}, "with `hop` it must be one recording"),
        (RAW[0], OUTPUTS, {"hop": 0}, "`hop` is 0"),
        (RAW[0, 0], OUTPUTS, {}, r"must be \[windows, window, channels\]"),
        (RAW, OUTPUTS, {"labels": ["one"]}, "1 names for 2 outputs"),
        (RAW, OUTPUTS, {"channels": ["a", "b", "c"]}, "3 names for 2 channels"),
        (RAW, OUTPUTS, {"labels": "ab"}, "`labels` is the text `ab`"),
        (RAW, OUTPUTS, {"labels": {"a", "b"}}, "in order"),
        (RAW, OUTPUTS, {"labels": np.array("ab")}, "must be a list of names"),
        (RAW, OUTPUTS, {"labels": 2}, "must be a list of names"),
        (RAW[0], OUTPUTS, {"hop": 2.5}, "`hop` is 2.5: must be a whole number"),
        (RAW[0], OUTPUTS, {"hop": True}, "`hop` is True"),
        (RAW[0], OUTPUTS, {"hop": "4"}, "`hop` is '4'"),
        (np.ma.masked_array(RAW, RAW > 9), OUTPUTS, {}, "`raw` is a masked array"),
        (RAW, np.ma.masked_array(OUTPUTS), {}, "`outputs` is a masked array"),
        (RAW, OUTPUTS, {"channels": "ab"}, "`channels` is the text `ab`"),
        (RAW, np.where(OUTPUTS == 0.5, np.nan, OUTPUTS), {}, r"2 values .* first at \[2, 0\]"),
        (RAW * 1e300, OUTPUTS, {}, "no float32 numbers"),
        (RAW[:0], OUTPUTS[:0], {}, "neither of them 0"),
        ([[1, 2], [3]], OUTPUTS, {}, "cannot be read as an array"),
        (RAW.astype(str), OUTPUTS, {}, "must be numbers"),
        (
            RAW,
            Tensor(OUTPUTS, RuntimeError("requires grad")),
            {},
            "`outputs` cannot be read .* requires grad",
        ),
    ],
)
def test_what_is_refused(
    tmp_path: Path, raw: Any, outputs: Any, more: dict[str, Any], message: str
) -> None:
    """Each with a sentence that names the argument, and no file is left."""
    with pytest.raises(DataError, match=message):
        golden(raw, outputs, tmp_path / "golden.npz", **more)

    assert list(tmp_path.iterdir()) == []


def test_a_hop_of_zero_is_no_window_record() -> None:
    """`hop=0` is refused even where `raw` would do as windows."""
    with pytest.raises(DataError, match="`hop` is 0"):
        GoldenRecord.of(RAW, OUTPUTS, hop=0, labels=None)


def test_shapes_that_are_not_the_models() -> None:
    """Another channel count is said; swapped axes are recognised; the number of windows is checked."""
    record = GoldenRecord.of(RAW, OUTPUTS, hop=None, labels=None)
    with pytest.raises(DataError) as caught:
        record.windows(2, 4)
    assert "swapped" in str(caught.value.hint)

    with pytest.raises(DataError) as caught:
        record.windows(4, 3)
    assert "swapped" not in str(caught.value.hint)

    with pytest.raises(DataError, match="3 outputs; 10 samples make 4 windows of 4 with hop 2"):
        GoldenRecord.of(np.zeros((10, 2)), OUTPUTS, hop=2, labels=None).windows(4, 2)


@pytest.mark.parametrize(
    "damage", ["cut", "foreign", "array", "pickle", "empty", "missing", "version", "member"]
)
def test_damaged_files(tmp_path: Path, damage: str) -> None:
    """Whatever is wrong with the file, it is a sentence with the way to write it again; pickles are never run."""
    path = tmp_path / "golden.npz"
    golden(RAW, OUTPUTS, path)
    members = dict(np.load(path))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    elif damage == "foreign":
        path.write_text("a,b\n1,2\n")
    elif damage == "array":
        with path.open("wb") as file:
            np.save(file, OUTPUTS)
    elif damage == "pickle":
        np.savez(path, **{**members, "raw": np.array([{"run": print}], dtype=object)})
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "missing":
        path.unlink()
    elif damage == "version":
        np.savez(path, **{**members, "format": np.int64(2)})
    else:
        np.savez(path, outputs=OUTPUTS)

    with pytest.raises(DataError) as caught:
        GoldenRecord.load(path)

    assert "golden.npz" in caught.value.message
    assert "edgekit.golden" in str(caught.value.hint)


def test_no_damage_is_a_traceback(tmp_path: Path) -> None:
    """Changed bytes anywhere: the record is refused with a sentence, or read as it was written."""
    path = tmp_path / "golden.npz"
    golden(RAW, OUTPUTS, path)
    good, random = path.read_bytes(), np.random.default_rng(11)
    refused = 0
    for _ in range(400):
        data = bytearray(good)
        for position in random.integers(0, len(data), 3):
            data[position] = random.integers(256)
        path.write_bytes(data)
        try:
            record = GoldenRecord.load(path)
        except DataError:
            refused += 1
        else:
            assert np.array_equal(record.raw, RAW)

    assert refused > 200


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A sentence with the path."""
    (tmp_path / "file").write_text("")

    with pytest.raises(EdgeKitError, match="cannot write"):
        golden(RAW, OUTPUTS, tmp_path / "file" / "golden.npz")
