"""The JSON schema that editors complete edgekit.toml with."""

from __future__ import annotations

import json

from edgekit.json_schema import schema_text
from edgekit.project import Project


def test_the_schema_knows_and_explains_every_key() -> None:
    """Every section is there, closed to unknown keys, and its keys carry their docstrings."""
    schema = json.loads(schema_text(Project, "EdgeKit project"))
    stream = schema["$defs"]["StreamInput"]

    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["title"] == "EdgeKit project"
    assert schema["required"] == ["project", "model", "input"]
    assert schema["properties"].keys() >= {"output", "test", "source", "decision", "sink"}
    assert stream["additionalProperties"] is False
    assert stream["properties"]["window"]["description"] == "Length of one window in raw samples."
    assert all(item["additionalProperties"] is False for item in schema["$defs"].values())


def test_the_same_version_writes_the_same_schema() -> None:
    """A file that changes without reason is noise in every commit."""
    assert schema_text(Project, "x") == schema_text(Project, "x")


def test_every_key_has_a_description() -> None:
    """What an editor shows while one types; `kind` explains itself by its class."""
    schema = json.loads(schema_text(Project, "x"))
    silent = [
        f"{name}.{key}"
        for name, item in schema["$defs"].items()
        for key, value in item["properties"].items()
        if "description" not in value and key != "kind"
    ]

    assert not silent
