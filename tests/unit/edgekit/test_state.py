"""State: results are remembered for exactly as long as they are about the same thing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from edgekit.errors import EdgeKitError
from edgekit.project import Project
from edgekit.state import State, check_fingerprint, eval_fingerprint

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
[project]
name = "gait"
[model]
path = "gait.onnx"
[input]
channels = ["ax"]
rate_hz = 50
window = 128
hop = 16
[test]
data = "val.csv"
[decision]
hold = 1
[[sink]]
kind = "terminal"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a project with model and data."""
    (tmp_path / "edgekit.toml").write_text(TEXT)
    (tmp_path / "gait.onnx").write_bytes(b"model")
    (tmp_path / "val.csv").write_text("ax\n1\n")
    return tmp_path


def _prints(folder: Path) -> tuple[str, str]:
    project = Project.load(folder)
    return check_fingerprint(project, folder), eval_fingerprint(project, folder)


def test_a_result_is_recalled(folder: Path) -> None:
    """What one command has found out, the next can show."""
    State(folder).remember("check", "f1", {"summary": "equal"})
    State(folder).remember("eval", "f2", {"summary": "96 %"})

    recalled = State(folder).recall("check", "f1")

    assert recalled is not None
    assert recalled["summary"] == "equal"
    assert State(folder).recall("check", "other") is None
    assert State(folder).recall("run", "f1") is None


def test_git_leaves_the_folder_alone(folder: Path) -> None:
    """Nobody wants a cache in a commit."""
    State(folder).remember("check", "f", {})

    assert (folder / ".edgekit" / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"check": 3}', b"\xff"])
def test_a_damaged_file_is_as_good_as_none(folder: Path, damage: bytes) -> None:
    """Everything in the folder can be lost without harm."""
    State(folder).remember("check", "f", {"summary": "equal"})
    (folder / ".edgekit" / "state.json").write_bytes(damage)

    assert State(folder).recall("check", "f") is None

    State(folder).remember("check", "f", {"summary": "again"})
    assert State(folder).recall("check", "f") is not None


def test_a_folder_that_cannot_be_written_is_no_error(folder: Path) -> None:
    """A result that cannot be kept is a result all the same."""
    (folder / ".edgekit").write_text("a file in the way")

    State(folder).remember("check", "f", {})

    assert State(folder).recall("check", "f") is None


def test_a_proof_outlives_what_it_does_not_depend_on(folder: Path) -> None:
    """Another sink changes neither; another decision only the evaluation."""
    check, judged = _prints(folder)

    (folder / "edgekit.toml").write_text(TEXT[: TEXT.index("[[sink]]")])
    assert _prints(folder) == (check, judged)

    (folder / "edgekit.toml").write_text(TEXT.replace("hold = 1", "hold = 2"))
    assert _prints(folder)[0] == check
    assert _prints(folder)[1] != judged


def test_a_proof_is_stale_after_a_change(folder: Path) -> None:
    """The model's bytes and how they are used are what a proof is about."""
    check, judged = _prints(folder)

    (folder / "edgekit.toml").write_text(TEXT.replace("window = 128", "window = 64"))
    assert _prints(folder)[0] != check
    (folder / "edgekit.toml").write_text(TEXT)
    (folder / "gait.onnx").write_bytes(b"another")
    assert _prints(folder)[0] != check
    assert _prints(folder)[1] != judged


def test_an_evaluation_is_stale_after_new_data(folder: Path) -> None:
    """The recording counts by its size and age; a missing one is no error."""
    check, judged = _prints(folder)

    os.utime(folder / "val.csv", (1, 1))
    assert _prints(folder)[0] != check  # the proof is made on its windows too
    assert _prints(folder)[1] != judged
    (folder / "val.csv").unlink()
    assert _prints(folder)[1] != judged


def _external(location: str) -> bytes:
    """Return an entry of a tensor's external data, as protocol buffers write it."""
    text = location.encode()
    return b"\x0a\x08location\x12" + bytes([len(text)]) + text


def test_a_proof_is_stale_after_new_weights(folder: Path) -> None:
    """Weights beside the model are the model; a file that is missing is no error."""
    (folder / "gait.onnx").write_bytes(b"model" + _external("w/gait.data") + _external("lost"))
    (folder / "w").mkdir()
    (folder / "w" / "gait.data").write_bytes(b"weights")
    check = _prints(folder)[0]

    assert _prints(folder)[0] == check
    (folder / "w" / "gait.data").write_bytes(b"other weights")

    assert _prints(folder)[0] != check


def test_a_proof_is_stale_with_another_engine(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who judged it is part of what was found."""
    check = _prints(folder)[0]

    monkeypatch.setattr("edgekit.state.metadata.version", lambda name: f"{name} 99")

    assert _prints(folder)[0] != check


@pytest.mark.parametrize("name", ["gait.onnx", "golden.npz", "val.csv"])
def test_what_never_ends_is_not_read(folder: Path, name: str) -> None:
    """A named pipe without a writer, in place of any file, would stop every command."""
    (folder / "edgekit.toml").write_text(
        TEXT.replace("[decision]", 'golden = "golden.npz"\n[decision]')
    )
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)

    assert all(_prints(folder))


def test_a_file_in_the_way_is_named(folder: Path) -> None:
    """Not `File exists` for some file below it."""
    (folder / ".edgekit").write_text("in the way")
    state = State(folder)

    with pytest.raises(EdgeKitError, match=r"\.edgekit` is a file: EdgeKit keeps") as caught:
        state.write(state.run_folder / "agent.json", b"{}")

    assert str(caught.value.hint).startswith("move it away: `mv ")


def test_the_last_run_is_what_the_agent_reported(folder: Path) -> None:
    """The agent writes status.json where `edgekit run` staged it."""
    state = State(folder)
    before = state.last_run()
    state.write(state.run_folder / "older" / "status.json", b'{"windows": 2}')
    os.utime(state.run_folder / "older" / "status.json", (1.0, 1.0))
    state.write(state.run_folder / "newer" / "status.json", b'{"windows": 3}')

    after = state.last_run()

    assert before is None
    assert after is not None
    assert after[0] == {"windows": 3}
    assert after[1] == pytest.approx((state.run_folder / "newer" / "status.json").stat().st_mtime)
