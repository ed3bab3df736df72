"""The JSON schema that editors complete edgekit.toml with."""

from __future__ import annotations

import json
from typing import Any

from edgekit.json_schema import schema_text
from edgekit.project import Project

SECTIONS = ("project", "model", "input", "output", "test", "source", "decision", "sink")


def _sections(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the file itself and its sections."""
    inner = [schema["properties"][name] for name in SECTIONS]
    return [schema, *(section.get("items", section) for section in inner)]


def _words(schema: Any) -> set[str]:
    """Return all keys in a schema."""
    if isinstance(schema, list):
        return {word for item in schema for word in _words(item)}
    if not isinstance(schema, dict):
        return set()
    return set(schema) | {word for value in schema.values() for word in _words(value)}


def _is_closed(section: dict[str, Any]) -> bool:
    """Return whether a section refuses unknown keys, whatever its kind; a table of the user's own takes any."""
    if "if" in section:
        return _is_closed(section["then"]) and _is_closed(section["else"])
    return section.get("additionalProperties") is False


def test_the_schema_knows_and_explains_every_key() -> None:
    """Every section is there, closed to unknown keys, and its keys carry their docstrings."""
    schema = json.loads(schema_text(Project, "EdgeKit project"))
    stream = schema["properties"]["input"]

    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["title"] == "EdgeKit project"
    assert schema["required"] == ["project", "model", "input"]
    assert schema["properties"].keys() >= {"output", "test", "source", "decision", "sink"}
    assert stream["properties"]["window"]["description"] == "Length of one window in raw samples."
    assert all(_is_closed(item) for item in _sections(schema))


def test_the_same_version_writes_the_same_schema() -> None:
    """A file that changes without reason is noise in every commit."""
    assert schema_text(Project, "x") == schema_text(Project, "x")


def test_every_key_has_a_description() -> None:
    """What an editor shows while one types."""
    schema = json.loads(schema_text(Project, "x"))
    silent = [
        f"{name}.{key}"
        for name, item in enumerate(_sections(schema))
        for key, value in item["properties"].items()
        if "description" not in value and key not in SECTIONS
    ]

    assert not silent


def test_no_validator_can_say_that_nothing_fits() -> None:
    """Of a union it would not name the key: there is none left, and nothing may be null, which TOML has not."""
    schema = json.loads(schema_text(Project, "x"))

    assert not _words(schema) & {"anyOf", "oneOf", "$ref", "$defs"}
    assert '"null"' not in json.dumps(schema)


def test_kind_chooses_the_keys() -> None:
    """A tensor has none but its kind; without a kind a stream is meant, and needs its four keys."""
    section = json.loads(schema_text(Project, "x"))["properties"]["input"]

    assert section["properties"]["kind"]["enum"] == ["stream", "tensor"]
    assert section["if"]["properties"] == {"kind": {"const": "tensor"}}
    assert section["then"]["properties"].keys() == {"kind"}
    assert section["then"]["additionalProperties"] is False
    assert section["else"]["required"] == ["channels", "rate_hz", "window", "hop"]
    assert section["else"]["properties"].keys() == section["properties"].keys()
    assert "required" not in section


def test_a_source_needs_its_kind() -> None:
    """A recording needs a path, standard input has none, a serial port its own keys, a class its package."""
    section = json.loads(schema_text(Project, "x"))["properties"]["source"]
    assert section["required"] == ["kind"]

    rules = {}
    while "if" in section:
        rules[json.dumps(section["if"]["properties"]["kind"])] = section["then"]
        section = section["else"]
    assert section["required"] == ["path"]
    assert "path" not in rules['{"const": "stdin"}']["properties"]
    assert rules['{"const": "serial"}']["required"] == ["port"]
    (own,) = (rule for told_by, rule in rules.items() if "pattern" in told_by)
    assert own["required"] == ["package"]


def test_a_value_of_two_types_says_both() -> None:
    """One number, or one for each channel."""
    section = json.loads(schema_text(Project, "x"))["properties"]["input"]

    assert section["properties"]["scale"]["type"] == ["number", "array"]
    assert section["properties"]["scale"]["items"] == {"type": "number"}
