"""agent.json: strict, and every error names the key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent import schema
from edge_agent.config import AgentConfig, Decision, JsonlSink, StdinSource, TerminalSink
from edge_agent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., AgentConfig]


def read(document: Any) -> AgentConfig:
    """Read a configuration from JSON, as text or not."""
    text = document if isinstance(document, str) else json.dumps(document)
    return schema.from_json(AgentConfig, text, where="agent.json")


def changed(config: AgentConfig, key: str, value: Any) -> dict[str, Any]:
    """Return the configuration's JSON with the dotted `key` set to `value` (Ellipsis: removed)."""
    document: dict[str, Any] = json.loads(schema.to_text(config))
    *path, last = key.split(".")
    place = document
    for name in path:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {
            "source": StdinSource(time="t"),
            "sinks": (TerminalSink(), JsonlSink(path="out.jsonl", predictions=False)),
        },
        {"decision": Decision(threshold={"low": 0.5, "high": 0.25}, hold=2)},
        {"decision": Decision(threshold=0.5), "max_gap_s": 1.5, "min": -1.0},
    ],
)
def test_there_and_back(agent_config: Make, sections: dict[str, Any], tmp_path: Path) -> None:
    """What is written is read as the same, and written again with the same bytes."""
    config = agent_config(**sections)
    path = tmp_path / "agent.json"
    path.write_text(schema.to_text(config))

    again = schema.read_agent_config(path)
    assert again == config
    assert schema.to_text(again) == path.read_text()


def test_an_integer_is_a_number(agent_config: Make) -> None:
    """`50` is a rate as good as `50.0`."""
    config = read(changed(agent_config(), "input.rate_hz", 50))

    assert isinstance(config.input.rate_hz, float)


def test_defaults_are_filled_in(agent_config: Make) -> None:
    """A key with a default may be left out."""
    assert read(changed(agent_config(), "decision", ...)).decision == Decision()


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("input.window", True, "`input.window` is `true`: must be an integer"),
        ("input.window", 4.0, "`input.window` is `4.0`: must be an integer"),
        ("input.window", "4", '`input.window` is `"4"`: must be an integer'),
        ("input.window", ..., "`input.window` is missing"),
        ("input.window", 0, "in `input`: `window` is 0: must be positive"),
        ("input.rate_hz", False, "`input.rate_hz` is `false`: must be a number"),
        ("input.rate_hz", 10**400, "`input.rate_hz` is beyond the range of a float"),
        ("input.channels", "ax", '`input.channels` is `"ax"`: must be a list'),
        ("input.channels", ["ax", 1], "`input.channels[1]` is `1`: must be a string"),
        (
            "input.on_bad",
            "skip",
            '`input.on_bad` is `"skip"`: must be `drop`, `hold`, `clip`, `mark`',
        ),
        ("input.max_gap_s", "1", '`input.max_gap_s` is `"1"`: must be a number'),
        ("input", [], "`input` is `[]`: must be an object"),
        (
            "source.kind",
            "replya",
            '`source.kind` is `"replya"`: must be one of `replay`, `stdin`, `serial`, `sysfs`, `package.module:Class`',
        ),
        (
            "source.kind",
            ...,
            "`source.kind` is missing: must be one of `replay`, `stdin`, `serial`, `sysfs`, `package.module:Class`",
        ),
        ("source", None, "`source` is `null`: must be an object"),
        ("sinks", [{"kind": "jsonl"}], "`sinks[0].path` is missing"),
        ("decision.threshold", "high", '`decision.threshold` is `"high"`: must be a number'),
        (
            "decision.threshold",
            {"high": "x"},
            '`decision.threshold.high` is `"x"`: must be a number',
        ),
        ("decision.hold", 0, "in `decision`: `hold` is 0: must be at least 1"),
        ("format", 2, "`format` is `2`: must be `1`"),
        ("format", True, "`format` is `true`: must be `1`"),
        ("labels", ..., "`labels` is missing"),
    ],
)
def test_what_is_wrong_is_named(agent_config: Make, key: str, value: Any, says: str) -> None:
    """The dotted key, the value, and what it must be."""
    with pytest.raises(ConfigError) as caught:
        read(changed(agent_config(), key, value))

    assert caught.value.message == f"agent.json: {says}"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(agent_config: Make, bad: float) -> None:
    """TOML can write them, so the classes themselves refuse them."""
    for key in ("rate_hz", "min", "max", "max_gap_s"):
        with pytest.raises(ValueError, match=f"`{key}` is {bad}"):
            agent_config(**{key: bad})
    for changes in ({"threshold": bad}, {"threshold": {"low": bad}}, {"hysteresis": bad}):
        with pytest.raises(ValueError, match=f"is {bad}"):
            Decision(**changes)


def test_an_unknown_key_suggests_the_near_one(agent_config: Make) -> None:
    """A slip is no silence."""
    with pytest.raises(ConfigError, match=r"`input\.windwo` is no key") as caught:
        read(changed(agent_config(), "input.windwo", 4))

    assert caught.value.hint == "did you mean `window`?"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[]", "must be an object"),
        ('{"name": NaN}', "NaN is no number"),
        ('{"name": -Infinity}', "-Infinity is no number"),
        ('{"name": "a", "name": "b"}', "`name` stands twice"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_text_that_is_no_configuration(text: str, says: str) -> None:
    """One sentence, no traceback."""
    with pytest.raises(ConfigError, match=says):
        read(text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, a folder, no text."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    for path in (tmp_path / "missing.json", tmp_path, tmp_path / "binary"):
        with pytest.raises(ConfigError, match=str(path)):
            schema.read_agent_config(path)
