"""Projects: a good one is read whole, a wrong one says where and what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_agent import config
from edgekit.errors import ConfigError
from edgekit.project import Project, StreamInput, TensorInput, find_project

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
[project]
name = "gait"
version = "1.0.0"

[model]
path = "gait.onnx"
labels = ["still", "walk", "run"]

[input]
channels = ["ax", "ay", "az"]
rate_hz = 50
window = 128
hop = 16
scale = 0.001

[output]
activation = "softmax"

[test]
data = "val.csv"
label = "activity"
min_accuracy = 0.9

[source]
kind = "replay"
path = "walk.csv"
time = "t"

[decision]
threshold = { walk = 0.8 }
hold = 3

[[sink]]
kind = "terminal"

[[sink]]
kind = "jsonl"
path = "out.jsonl"
"""


def _error(folder: Path, text: str) -> ConfigError:
    (folder / "edgekit.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        Project.load(folder)
    return caught.value


def _changed(before: str, after: str) -> str:
    assert before in GOOD
    return GOOD.replace(before, after, 1)


def test_a_good_project_is_read_whole(tmp_path: Path) -> None:
    """Every section arrives in its class, with the numbers as they were written."""
    (tmp_path / "edgekit.toml").write_text(GOOD)

    project = Project.load(tmp_path)

    assert isinstance(project.input, StreamInput)
    assert (project.input.window, project.input.rate_hz, project.input.scale) == (128, 50.0, 0.001)
    assert project.decision.threshold == {"walk": 0.8}
    assert project.sink == (config.TerminalSink(), config.JsonlSink(path="out.jsonl"))
    assert project.recording == "val.csv"
    assert project.columns == config.Columns(time="t", label="activity")


@pytest.mark.parametrize(
    ("threshold", "said", "hint"),
    [
        ("80", "`decision.threshold` is 80: must be from 0 to 1", "did you mean `0.8`?"),
        ("{ walk = 95.0 }", "`decision.threshold.walk` is 95: must be", "did you mean `0.95`?"),
        ("-0.5", "`decision.threshold` is -0.5: must be from 0 to 1", None),
        ("1.5", "`decision.threshold` is 1.5: must be from 0 to 1", None),
    ],
)
def test_a_threshold_that_no_probability_reaches(
    tmp_path: Path, threshold: str, said: str, hint: str | None
) -> None:
    """Nothing would ever be recognised, and nothing would say so."""
    error = _error(tmp_path, _changed("{ walk = 0.8 }", threshold))

    assert said in error.message
    assert f":{GOOD[: GOOD.index('threshold')].count(chr(10)) + 1}: " in error.message
    assert error.hint == hint


@pytest.mark.parametrize(
    ("before", "after", "threshold"),
    [
        ('activation = "softmax"', 'activation = "none"', "2.5"),
        ('activation = "softmax"', 'kind = "value"', "80"),
        ('activation = "softmax"', 'activation = "sigmoid"', "1"),
    ],
)
def test_a_threshold_of_other_numbers(
    tmp_path: Path, before: str, after: str, threshold: str
) -> None:
    """Logits and values have any size."""
    text = _changed(before, after).replace("{ walk = 0.8 }", threshold)
    (tmp_path / "edgekit.toml").write_text(text)

    assert Project.load(tmp_path).decision.threshold == float(threshold)


def test_a_recording_is_the_labelled_one_or_the_one_that_is_replayed(tmp_path: Path) -> None:
    """`check` needs samples; any recording that the project names will do."""
    (tmp_path / "edgekit.toml").write_text(_changed('data = "val.csv"\n', ""))
    replayed = Project.load(tmp_path)
    (tmp_path / "edgekit.toml").write_text(
        GOOD[: GOOD.index("[test]")] + '[source]\nkind = "stdin"\n'
    )
    nothing = Project.load(tmp_path)

    assert replayed.recording == "walk.csv"
    assert nothing.recording is None


def test_named_tensors_need_no_channels(tmp_path: Path) -> None:
    """A model that is no stream is described by its kind alone."""
    path = tmp_path / "edgekit.toml"
    path.write_text('[project]\nname = "p"\n[model]\npath = "m.onnx"\n[input]\nkind = "tensor"\n')

    assert Project.load(path).input == TensorInput(kind="tensor")


@pytest.mark.parametrize(
    ("before", "after", "line", "said", "hint"),
    [
        ("window = 128", "windw = 128", 12, "`input.windw` is an unknown key", "`window`"),
        ('path = "gait.onnx"', 'path = "g"\nwindow = 3', 7, "`model.window`", "belongs in [input]"),
        ("[decision]", "[decison]", 29, "section [decison] is unknown", "`decision`"),
        ('version = "1.0.0"', 'version = "1"\n[wifi]', 4, "section [wifi] is unknown", None),
        ("window = 128", "window = 0", 12, "`input.window` is 0: must be positive", None),
        ("window = 128", 'window = "128"', 12, '"128": must be a whole number', None),
        ("window = 128", "window = 1.5", 12, "1.5: must be a whole number", None),
        ("window = 128", "window = true", 12, "true: must be a whole number", None),
        ("rate_hz = 50", "rate_hz = nan", 11, "`input.rate_hz` is nan", None),
        ("rate_hz = 50", "rate_hz = inf", 11, "`input.rate_hz` is inf", None),
        ("window = 128", "window = 99999999999", 12, "`input.window` makes one window", None),
        ("hop = 16", "hop = 99999999999", 13, "`input.hop` makes one hop", None),
        ("scale = 0.001", 'scale = "x"', 14, "must be a number or a list", None),
        ("scale = 0.001", 'scale = [1, "x", 3]', 14, '`input.scale[1]` is "x"', None),
        ("scale = 0.001", "scale = [1, 2]", 14, "2 values for 3 channels", None),
        ("scale = 0.001", "mean = 1", 14, "`input.mean` and `std` go together", None),
        ('["ax", "ay", "az"]', '["ax", "ax"]', 10, "names one twice: ax, ax", None),
        ('"softmax"', '"sofmax"', 17, "`output.activation`", "`softmax`"),
        ('kind = "replay"', 'kind = "reply"', 25, "`source.kind` is 'reply'", "`replay`"),
        ('kind = "replay"\n', "", None, "`source.kind` is missing", None),
        ('kind = "jsonl"\npath = "out.jsonl"', 'kind = "jsonl"', 36, "`sink[1].path`", None),
        ('name = "gait"', 'name = "My Gait"', 2, "lower-case letters", None),
        ('"walk", "run"', '"walk", "walk"', 7, "`model.labels` names `walk` twice", None),
        ('"still"', '""', 7, "empty name", None),
        ("walk = 0.8", "wlk = 0.8", 30, "names `wlk`, which is no label", None),
        ('label = "activity"', 'label = "ax"', None, "which `input.channels` has", None),
        ('time = "t"', 'time = "activity"', None, "so is the", None),
        ('"out.jsonl"', '"val.csv"', None, "would be written over", None),
        ('"out.jsonl"', '"gait.onnx"', None, "would be written over", None),
        ("min_accuracy = 0.9", "min_accuracy = 90", 22, "less than or equal to 1", None),
        ('name = "gait"', "name = gait", 2, "not TOML", "quotes"),
    ],
)
def test_what_is_wrong_is_named(  # noqa: PLR0913, PLR0917 (the parts of one sentence)
    tmp_path: Path, before: str, after: str, line: int | None, said: str, hint: str | None
) -> None:
    """An error names file, line, dotted key and value, so that the fix is one jump away."""
    error = _error(tmp_path, _changed(before, after))

    assert said in error.message
    assert str(tmp_path / "edgekit.toml") in error.message
    if line is not None:
        assert f"edgekit.toml:{line}:" in error.message
    assert hint is None or hint in str(error.hint)
    assert error.exit_code == 2


def test_several_errors_are_listed_together(tmp_path: Path) -> None:
    """Nobody wants to run a command nine times to find nine typing errors; the eighth is enough."""
    text = GOOD.replace("hop = 16", "hopp = 16")
    text += "".join(f'[budget{index}]\nkey = "value"\n' for index in range(9))

    error = _error(tmp_path, text)

    assert error.message.startswith("10 things are wrong in `edgekit.toml`\n")
    assert "is missing" not in error.message
    assert "`input.hopp` is an unknown key (did you mean `hop`?)" in error.message
    assert error.message.endswith("… and 2 more")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe[project]", "not UTF-8"),
        (b"#" * (1 << 20) + b"#", "1048577 bytes"),
        (b"x = " + b"[" * 100_000, "nested too deeply"),
        (b"", "section [project] is missing"),
        (b"input = 3\nproject = 'x'\nmodel = []", "section [input] is 3: must be a section"),
    ],
)
def test_a_file_that_is_no_project_is_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    """Whatever the bytes are, there is no traceback."""
    (tmp_path / "edgekit.toml").write_bytes(content)

    with pytest.raises(ConfigError, match=said.replace("[", r"\[")):
        Project.load(tmp_path)


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    (tmp_path / "edgekit.toml").write_text(GOOD, encoding="utf-8-sig")

    assert Project.load(tmp_path).project.name == "gait"


def test_a_missing_project_names_the_command_that_makes_one(tmp_path: Path) -> None:
    """The first thing a newcomer meets is a way on."""
    with pytest.raises(ConfigError, match=r"edgekit\.toml") as caught:
        Project.load(tmp_path)

    assert "edgekit init" in str(caught.value.hint)


def test_a_project_is_found_from_below(tmp_path: Path) -> None:
    """As with git and cargo, any folder inside the project will do."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "edgekit.toml").write_text(GOOD)

    assert find_project(below) == tmp_path / "edgekit.toml"


def test_outside_of_a_project_there_is_a_hint(tmp_path: Path) -> None:
    """The folder that was searched is named, and what to do."""
    with pytest.raises(ConfigError, match=str(tmp_path)) as caught:
        find_project(tmp_path)

    assert "edgekit init" in str(caught.value.hint)


def test_the_board_is_the_users_choice(tmp_path: Path) -> None:
    """Without [deploy] there is none; its keys are checked as strictly as all others."""
    section = '\n[deploy]\nboard = "raspberry-pi-4"\n'

    (tmp_path / "edgekit.toml").write_text(GOOD)
    assert Project.load(tmp_path).deploy.board is None
    (tmp_path / "edgekit.toml").write_text(GOOD + section)
    assert Project.load(tmp_path).deploy.board == "raspberry-pi-4"
    error = _error(tmp_path, GOOD + section.replace("board", "bord"))
    assert error.hint == "did you mean `board`?"
