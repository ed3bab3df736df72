"""Scaffolds: a project is made whole or not at all, and nothing is ever overwritten."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit import scaffold as scaffold_module
from edgekit.atomic import write_file
from edgekit.errors import ConfigError, DataError, EdgeKitError, ModelError
from edgekit.project import Project, StreamInput
from edgekit.scaffold import project_name, scaffold


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a classifier of windows of 8 samples of 2 channels, in logits."""
    weight = numpy_helper.from_array(np.ones((16, 3), np.float32), "w")
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [weight],
    )
    path = tmp_path / "in" / "net.onnx"
    path.parent.mkdir()
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a labelled recording of 2 channels at 20 Hz."""
    path = tmp_path / "walk.csv"
    rows = [f"{index / 20:.2f},{index},1,{'ab' if index < 40 else 'c'}" for index in range(80)]
    rows += [f"{index / 20:.2f},{index},1,d" for index in range(80, 120)]
    path.write_text("\n".join(["time,left,right,label", *rows]) + "\n")
    return path


def _everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_a_project_is_filled_from_model_and_data(tmp_path: Path, model: Path, data: Path) -> None:
    """Model, data, schema and an edgekit.toml that can be read as it is."""
    made = scaffold(tmp_path / "My Gait", model=model, data=data)

    project = Project.load(made.folder)
    assert _everything(made.folder) == {
        "net.onnx",
        "walk.csv",
        "edgekit.toml",
        "edgekit.schema.json",
    }
    assert project.project.name == "my-gait"
    assert isinstance(project.input, StreamInput)
    assert (project.input.channels, project.input.rate_hz) == (("left", "right"), 20.0)
    assert (project.input.window, project.input.hop) == (8, 4)
    assert project.output.activation == "softmax"
    assert project.model.labels == ("ab", "c", "d")
    assert (made.folder / "net.onnx").read_bytes() == model.read_bytes()


def test_editors_find_the_schema(tmp_path: Path) -> None:
    """The first line names the schema, which lies beside and is one."""
    made = scaffold(tmp_path / "p")

    first = (made.folder / "edgekit.toml").read_text().splitlines()[0]
    schema = json.loads((made.folder / first.removeprefix("#:schema ./")).read_text())
    assert schema["properties"].keys() >= {"project", "model", "input"}


def test_a_folder_with_a_project_is_left_alone(tmp_path: Path, model: Path) -> None:
    """The user's edgekit.toml is worth more than any new one."""
    (tmp_path / "edgekit.toml").write_text("mine")
    before = _everything(tmp_path)

    with pytest.raises(ConfigError, match="exists already"):
        scaffold(tmp_path, model=model)

    assert (tmp_path / "edgekit.toml").read_text() == "mine"
    assert _everything(tmp_path) == before


def test_a_file_of_the_same_name_is_not_overwritten(tmp_path: Path, model: Path) -> None:
    """Another model of that name lies in the folder already."""
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "net.onnx").write_bytes(b"another")

    with pytest.raises(ConfigError, match="is another file"):
        scaffold(folder, model=model)

    assert _everything(folder) == {"net.onnx"}
    assert (folder / "net.onnx").read_bytes() == b"another"


def test_this_folder_can_become_a_project(model: Path) -> None:
    """`edgekit init . --model net.onnx` beside the model: it stays where it is."""
    made = scaffold(model.parent, model=model)

    assert {path.name for path in made.files} == {"edgekit.schema.json", "edgekit.toml"}
    assert model.exists()


def test_a_large_recording_stays_where_it_is(
    tmp_path: Path, model: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gigabyte is not copied; the project names it by its path."""
    monkeypatch.setattr(scaffold_module, "LARGEST_COPY_BYTES", 10)

    made = scaffold(tmp_path / "p", model=model, data=data)

    assert Project.load(made.folder).recording == str(data)
    assert not (made.folder / "walk.csv").exists()


@pytest.mark.parametrize("bad", ["model", "data"])
def test_a_bad_file_leaves_no_trace(tmp_path: Path, model: Path, data: Path, bad: str) -> None:
    """Whatever is wrong with the input, no folder is made."""
    (model if bad == "model" else data).write_bytes(b"\x00nonsense")
    before = _everything(tmp_path)

    with pytest.raises((ModelError, DataError)):
        scaffold(tmp_path / "deep" / "p", model=model, data=data)

    assert _everything(tmp_path) == before


def test_a_missing_model_is_a_wrong_option(tmp_path: Path) -> None:
    """There is no edgekit.toml yet whose path could be wrong."""
    with pytest.raises(ConfigError, match="there is no model at") as caught:
        scaffold(tmp_path / "p", model=tmp_path / "none.onnx")

    assert caught.value.hint == "check the path after `--model`"
    assert not (tmp_path / "p").exists()


def test_what_check_would_refuse_is_said_at_once(tmp_path: Path, model: Path, data: Path) -> None:
    """A string comes out of this model: no engine makes numbers of that."""
    proto = onnx.load(model)
    proto.graph.output[0].type.tensor_type.elem_type = TensorProto.STRING
    onnx.save(proto, model.with_name("words.onnx"))

    good = scaffold(tmp_path / "good", model=model, data=data)
    bad = scaffold(tmp_path / "bad", model=model.with_name("words.onnx"), data=data)
    open_still = scaffold(tmp_path / "open", model=model.with_name("words.onnx"))

    assert good.refusal is None
    for made in (bad, open_still):
        assert made.refusal is not None
        assert "is no tensor of numbers" in made.refusal.message


def test_a_name_that_toml_cannot_hold_is_a_sentence(tmp_path: Path, data: Path) -> None:
    """File names on Linux are bytes; a project's file is UTF-8."""
    strange = tmp_path / os.fsdecode(b"walk\xff.csv")
    data.rename(strange)

    with pytest.raises(ConfigError, match="is not UTF-8"):
        scaffold(tmp_path / "p", data=strange)

    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("error", [EdgeKitError("the disk is full"), KeyboardInterrupt()])
def test_a_failure_half_way_is_undone(
    tmp_path: Path, model: Path, data: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """When the last file cannot be written, or the user presses Ctrl-C, everything made before goes again."""
    before = _everything(tmp_path)

    def fail(path: Path, content: bytes) -> None:
        if path.name == "edgekit.toml":
            raise error
        write_file(path, content)

    monkeypatch.setattr(scaffold_module, "write_file", fail)

    with pytest.raises(type(error)):
        scaffold(tmp_path / "deep" / "p", model=model, data=data)

    assert _everything(tmp_path) == before


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    """A folder cannot be made where a file is."""
    (tmp_path / "p").write_text("x")

    with pytest.raises(ConfigError, match="is a file"):
        scaffold(tmp_path / "p")
    with pytest.raises(ConfigError, match="cannot make the folder"):
        scaffold(tmp_path / "p" / "q")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    """A read-only disk is no bug."""
    tmp_path.chmod(0o500)

    with pytest.raises(EdgeKitError, match="cannot make the folder"):
        scaffold(tmp_path / "p")


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("gait", "gait"),
        ("My Gait_2", "my-gait-2"),
        ("--", "project"),
        ("Größe", "gr-e"),
        ("x" * 90, "x" * 63),
    ],
)
def test_a_folder_gives_the_project_its_name(folder: str, name: str) -> None:
    """A project's name is also a service's: nothing but lower-case letters, digits and hyphens."""
    assert project_name(Path("/tmp") / folder) == name
