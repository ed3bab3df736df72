"""Weights in files beside the model are part of it; files elsewhere are none of its business."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from edgekit.errors import ModelError
from edgekit.model.gate import caps
from edgekit.model.source import SourceModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def split(classifier: Path) -> Path:
    """Return the classifier with its weights in `weights.bin`, as PyTorch writes them."""
    path = classifier.parent / "split" / "model.onnx"
    path.parent.mkdir()
    onnx.save(
        onnx.load(classifier),
        path,
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    return path


def _move(split: Path, location: str) -> None:
    """Let the model say that its weights are there."""
    _change(split, "location", location)


def _change(split: Path, key: str, value: str) -> None:
    model = onnx.load(split, load_external_data=False)
    for tensor in model.graph.initializer:
        entry = next((entry for entry in tensor.external_data if entry.key == key), None)
        (entry or tensor.external_data.add(key=key)).value = value
    onnx.save(model, split)


def test_it_is_embedded(split: Path, classifier: Path) -> None:
    """The same weights, in one self-contained model."""
    embedded = onnx.ModelProto.FromString(SourceModel.load(split).data)
    whole = onnx.load(classifier)

    for ours, theirs in zip(embedded.graph.initializer, whole.graph.initializer, strict=True):
        assert not ours.external_data
        np.testing.assert_array_equal(
            onnx.numpy_helper.to_array(ours), onnx.numpy_helper.to_array(theirs)
        )


def test_a_folder_below_is_inside(split: Path) -> None:
    """Some exporters put the weights into a folder of their own."""
    (split.parent / "data").mkdir()
    (split.parent / "weights.bin").rename(split.parent / "data" / "weights.bin")
    _move(split, "./data/weights.bin")

    assert SourceModel.load(split).inputs


def test_the_models_own_folder_may_be_a_link(split: Path, tmp_path: Path) -> None:
    """That is the user's path, not the model's."""
    (tmp_path / "here").symlink_to(split.parent)

    assert SourceModel.load(tmp_path / "here" / "model.onnx").inputs


def test_a_missing_file_is_named(split: Path) -> None:
    """The usual case: only the .onnx was copied."""
    (split.parent / "weights.bin").unlink()

    with pytest.raises(ModelError, match=r"keeps its weights in `weights.bin`, which is missing"):
        SourceModel.load(split)


def test_a_short_file_is_refused(split: Path) -> None:
    """Half a download does not become half the weights."""
    (split.parent / "weights.bin").write_bytes(b"\0" * 8)

    with pytest.raises(ModelError, match=r"has bytes 0 to 180 of `weights\.bin`, which has 8"):
        SourceModel.load(split)


def _replace(split: Path, put: Callable[[Path, Path], None]) -> None:
    """Replace the weights by something that leads to a file outside of the folder."""
    weights = split.parent / "weights.bin"
    secret = split.parent.parent / "secret.bin"
    weights.rename(secret)
    put(weights, secret)


WAYS: dict[str, Callable[[Path, Path], None]] = {
    "link": lambda weights, secret: weights.symlink_to(secret),
    "hard link": lambda weights, secret: weights.hardlink_to(secret),
    "named pipe": lambda weights, _: os.mkfifo(weights),
    "folder": lambda weights, _: weights.mkdir(),
    "device": lambda weights, _: weights.symlink_to("/dev/zero"),
    "process": lambda weights, _: weights.symlink_to("/proc/self/mem"),
}


@pytest.mark.parametrize("way", WAYS)
def test_only_plain_files_are_read(split: Path, way: str) -> None:
    """A model from elsewhere could name any file of this machine, or one that never ends."""
    _replace(split, WAYS[way])

    with pytest.raises(ModelError, match="must be a plain file"):
        SourceModel.load(split)


def test_a_socket_is_no_plain_file(split: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot even be opened."""
    (split.parent / "weights.bin").unlink()
    monkeypatch.chdir(split.parent)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("weights.bin")

        with pytest.raises(ModelError, match="must be a plain file"):
            SourceModel.load(split)


@pytest.mark.parametrize(
    "location",
    ["../secret.bin", "/etc/passwd", "a/../../secret.bin", "..", ".", "..\\secret.bin", "w\0.bin"],
)
def test_only_the_models_folder_is_read(split: Path, location: str) -> None:
    """Up, absolute, up again on the way, by another system's rules, cut short by a NUL."""
    (split.parent.parent / "secret.bin").write_bytes((split.parent / "weights.bin").read_bytes())
    (split.parent / "a").mkdir()
    _move(split, location)

    with pytest.raises(ModelError, match="must be a plain file"):
        SourceModel.load(split)


def test_a_folder_that_is_a_link_is_not_followed(split: Path) -> None:
    """The file behind it is plain, and elsewhere."""
    outside = split.parent.parent / "outside"
    outside.mkdir()
    (split.parent / "weights.bin").rename(outside / "weights.bin")
    (split.parent / "inside").symlink_to(outside)
    _move(split, "inside/weights.bin")

    with pytest.raises(ModelError, match="must be a plain file"):
        SourceModel.load(split)


def test_the_address_in_memory_that_onnx_runtime_knows_is_a_file_name(split: Path) -> None:
    """It takes `*/_ORT_MEM_ADDR_/*` for weights in its own memory, at the offset."""
    _move(split, "*/_ORT_MEM_ADDR_/*")

    with pytest.raises(ModelError, match="which is missing"):
        SourceModel.load(split)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("offset", "-8", "has the offset '-8', which is no number"),
        ("offset", "1e3", "which is no number"),
        ("offset", "٣", "which is no number"),
        ("offset", "9" * 40, "which is no number"),
        ("offset", "9" * 18, "has bytes 999,999,999,999,999,999"),
        ("length", "4", "has 4 bytes: its shape"),
        ("length", "9223372036854775807", "has 9,223,372,036,854,775,807 bytes"),
        ("location", "", "has no location"),
        ("__class__", "x", "has the unknown key '__class__'"),
    ],
)
def test_entries_that_mean_nothing(split: Path, key: str, value: str, says: str) -> None:
    """Offset and length are decimal numbers, and other keys there are not."""
    _change(split, key, value)

    with pytest.raises(ModelError) as caught:
        SourceModel.load(split)

    assert says in caught.value.message
    assert "external_data=False" in str(caught.value.hint) or "copy" in str(caught.value.hint)


def test_an_entry_twice_is_refused(split: Path) -> None:
    """One engine takes the first, another one the last."""
    model = onnx.load(split, load_external_data=False)
    model.graph.initializer[0].external_data.add(key="location", value="other.bin")
    onnx.save(model, split)

    with pytest.raises(ModelError, match="says one thing twice"):
        SourceModel.load(split)


def test_data_in_both_places_are_refused(split: Path) -> None:
    """As above."""
    model = onnx.load(split, load_external_data=False)
    model.graph.initializer[0].raw_data = bytes(180)
    split.write_bytes(model.SerializeToString())  # `onnx.save` would not

    with pytest.raises(ModelError, match="and data in the model itself too"):
        SourceModel.load(split)


def test_every_tensor_counts_that_names_a_file(
    split: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand tensors over the same half gigabyte are a bomb, and one file."""
    model = onnx.load(split, load_external_data=False)
    for number in range(100):
        model.graph.initializer.add().CopyFrom(model.graph.initializer[0])
        model.graph.initializer[-1].name = f"copy{number}"
    onnx.save(model, split)
    monkeypatch.setattr(caps, "LARGEST_BYTES", 16_000)
    assert (split.parent / "weights.bin").stat().st_size < 16_000 > split.stat().st_size

    with pytest.raises(ModelError, match=r"external data of .* the limit is 16,000"):
        SourceModel.load(split)
