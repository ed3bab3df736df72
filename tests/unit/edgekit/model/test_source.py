"""Reading model files: good ones are described, bad ones refused with a sentence that says what to do."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgekit.errors import ModelError
from edgekit.model.gate import caps
from edgekit.model.source import SourceModel

MakeOnnx = Callable[..., Path]


def test_inputs_and_outputs_are_described(classifier: Path) -> None:
    """Names, types and shapes are those of the file; an open axis is None and keeps its name."""
    source = SourceModel.load(classifier)

    assert str(source.inputs[0]) == "`x` float32 [?, 3, 16]"
    assert source.inputs[0].symbols == ("N", "", "")
    assert [tensor.name for tensor in source.outputs] == ["y"]
    assert source.data == classifier.read_bytes()


def test_inputs_with_a_default_are_no_inputs(make_onnx: MakeOnnx) -> None:
    """Old exporters list every weight as an input; only what must be given at run time counts."""
    path = make_onnx(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        {"w": np.ones(4, np.float32)},
        inputs=[("x", TensorProto.FLOAT, [1, 4]), ("w", TensorProto.FLOAT, [4])],
    )

    assert [tensor.name for tensor in SourceModel.load(path).inputs] == ["x"]


@pytest.mark.parametrize("length", [0, -1])
def test_zero_and_negative_lengths_are_open(make_onnx: MakeOnnx, length: int) -> None:
    """Exporters write an open axis as 0 or -1 as well."""
    path = make_onnx(
        [helper.make_node("Relu", ["x"], ["y"])], inputs=[("x", TensorProto.FLOAT, [length, 4])]
    )

    assert SourceModel.load(path).inputs[0].shape == (None, 4)


def _zip_with(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, b"")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "says", "hint"),
    [
        (b"", "is empty", "export it again"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "Keras (HDF5)", 'format="onnx"'),
        (b"\x00\x00\x00\x00ORTM" + bytes(64), "ORT format", ".onnx"),
        (pickle.dumps({"a": 1}), "Python pickle", "skl2onnx"),
        (_zip_with("archive/data.pkl"), "PyTorch", "torch.onnx.export"),
        (_zip_with("model.weights.h5"), "Keras model", 'format="onnx"'),
        (_zip_with("model.onnx"), "zip archive", "unpack"),
        (b"PK\x03\x04 cut short", "zip archive", "unpack"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer", "git lfs pull"),
        ("time,ax\n0,1\n2,ä\n".encode(), "a text file", ".onnx"),
        (bytes(range(256)) * 8, "no ONNX model, or was cut short", "export it again"),
    ],
)
def test_other_files_are_recognised(tmp_path: Path, content: bytes, says: str, hint: str) -> None:
    """What the file is, and how to get an ONNX file from it."""
    path = tmp_path / "model.onnx"
    path.write_bytes(content)

    with pytest.raises(ModelError) as caught:
        SourceModel.load(path)

    assert says in str(caught.value)
    assert hint in str(caught.value.hint)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    """The path is named as it was looked for."""
    with pytest.raises(ModelError, match=r"there is no model at `.*nothing.onnx`") as caught:
        SourceModel.load(tmp_path / "nothing.onnx")

    assert caught.value.__suppress_context__  # no second traceback that says the same


def test_a_path_that_no_system_has_is_a_sentence() -> None:
    """A NUL in a path is refused by Python itself."""
    with pytest.raises(ModelError, match="cannot read the model"):
        SourceModel.load("mod\0el.onnx")


def test_a_folder_is_a_sentence(tmp_path: Path) -> None:
    """A SavedModel is a folder; any other folder is none."""
    with pytest.raises(ModelError, match="is a folder"):
        SourceModel.load(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ModelError, match="TensorFlow SavedModel") as caught:
        SourceModel.load(tmp_path)

    assert "--saved-model" in str(caught.value.hint)


def test_a_named_pipe_does_not_hang(tmp_path: Path) -> None:
    """Opening it would wait for ever for someone who writes."""
    os.mkfifo(tmp_path / "pipe.onnx")

    with pytest.raises(ModelError, match="no regular file"):
        SourceModel.load(tmp_path / "pipe.onnx")


def test_a_file_that_is_too_large_is_not_read(
    classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is checked before the file is in memory."""
    monkeypatch.setattr(caps, "LARGEST_BYTES", 100)

    with pytest.raises(ModelError, match="the limit is 100"):
        SourceModel.load(classifier)


def test_every_truncation_is_refused_or_still_a_model(classifier: Path, tmp_path: Path) -> None:
    """Cut anywhere, a file gives a ModelError, never another exception."""
    whole = classifier.read_bytes()
    cut = tmp_path / "cut.onnx"
    refused = 0
    for length in range(0, len(whole), 7):
        cut.write_bytes(whole[:length])
        try:
            SourceModel.load(cut)
        except ModelError:
            refused += 1

    assert refused > len(whole) / 7 * 0.9


def test_names_that_are_no_text_are_refused(classifier: Path) -> None:
    """A damaged name is found here, not by whoever formats a message with it."""
    classifier.write_bytes(classifier.read_bytes().replace(b"Relu", b"Rel\xff"))

    with pytest.raises(ModelError, match="no UTF-8"):
        SourceModel.load(classifier)


def test_unknown_operators_are_listed_all_at_once(make_onnx: MakeOnnx) -> None:
    """One round trip to the exporter has to be enough."""
    path = make_onnx(
        [
            helper.make_node("Foo", ["x"], ["a"]),
            helper.make_node("Bar", ["a"], ["b"], domain="com.acme"),
            helper.make_node("Foo", ["b"], ["y"]),
        ]
    )

    with pytest.raises(ModelError, match=r"(?m)does not have: `Foo`, `com.acme.Bar`$"):
        SourceModel.load(path)


def test_an_operator_in_a_branch_is_seen(make_onnx: MakeOnnx) -> None:
    """Subgraphs are models too."""
    value = helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 4])
    branch = helper.make_graph([helper.make_node("Hidden", ["x"], ["z"])], "branch", [], [value])
    path = make_onnx(
        [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)],
        {"c": np.array(True)},
    )

    with pytest.raises(ModelError, match="`Hidden`"):
        SourceModel.load(path)


@pytest.mark.parametrize("opset", [6, 9999])
def test_an_opset_out_of_range_is_a_sentence(make_onnx: MakeOnnx, opset: int) -> None:
    """Too old for a reference, or newer than what is installed."""
    path = make_onnx([helper.make_node("Relu", ["x"], ["y"])], opset=opset)

    with pytest.raises(ModelError, match=f"has opset {opset}"):
        SourceModel.load(path)


def test_a_model_without_input_is_refused(make_onnx: MakeOnnx) -> None:
    """A constant needs no engine."""
    path = make_onnx(
        [helper.make_node("Relu", ["w"], ["y"])], {"w": np.ones((1, 4), np.float32)}, inputs=[]
    )

    with pytest.raises(ModelError, match="has no input"):
        SourceModel.load(path)
