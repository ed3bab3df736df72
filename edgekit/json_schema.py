"""JSON schemas of the TOML files, so that editors complete keys and explain them."""

from __future__ import annotations

import json
from dataclasses import is_dataclass
from typing import get_type_hints

from pydantic.json_schema import GenerateJsonSchema

from edgekit.strict_toml import adapter
from edgekit.validation import sections


class _Untitled(GenerateJsonSchema):
    """Without pydantic's titles, which only repeat the names of the keys."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 (pydantic's signature)
        return False


def schema_text(kind: type, title: str) -> str:
    """Return the JSON schema of a dataclass, the same text for the same version."""
    body = adapter(kind).json_schema(schema_generator=_Untitled)
    for hint in get_type_hints(kind, include_extras=True).values():
        for section in sections(hint):
            properties = body["$defs"][section.__name__]["properties"]
            for key, description in _inherited(section).items():
                properties[key].setdefault("description", description)
    schema = {"$schema": _Untitled.schema_dialect, **body, "title": title}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _inherited(section: type) -> dict[str, str]:
    """Return the docstrings of the keys that a dataclass inherits: pydantic reads only a class's own."""
    return {
        key: value["description"]
        for base in reversed(section.__mro__[1:])
        if is_dataclass(base)
        for key, value in adapter(base).json_schema()["properties"].items()
        if "description" in value
    }
