"""
JSON schemas of the TOML files, so that editors complete keys, explain them and name the wrong one.

Of a union, validators say only that nothing in it fits. So no union is left where one key tells its members apart:
all keys stand in one section, for editors to complete, and `if … then … else` says which belong to which `kind`.
"""

from __future__ import annotations

import json
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic.json_schema import GenerateJsonSchema

from edge_agent.config import PluginSource
from edgekit.strict_toml import adapter
from edgekit.validation import sections

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Untitled(GenerateJsonSchema):
    """Without pydantic's titles, which only repeat the names of the keys."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 (pydantic's signature)
        return False


def schema_text(kind: type, title: str) -> str:
    """Return the JSON schema of a dataclass, the same text for the same version."""
    body = adapter(kind).json_schema(schema_generator=_Untitled)
    for section in _all_sections(kind):
        properties = body["$defs"][section.__name__]["properties"]
        for key, description in _inherited(section).items():
            properties[key].setdefault("description", description)
    body = _plain(body, body.pop("$defs"))
    schema = {"$schema": _Untitled.schema_dialect, **body, "title": title}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _all_sections(kind: type) -> Iterator[type]:
    """Yield the sections of a dataclass, and the tables inside them."""
    for hint in get_type_hints(kind, include_extras=True).values():
        for section in sections(hint):
            yield section
            yield from _all_sections(section)


def _inherited(section: type) -> dict[str, str]:
    """Return the docstrings of the keys that a dataclass inherits: pydantic reads only a class's own."""
    return {
        key: value["description"]
        for base in reversed(section.__mro__[1:])
        if is_dataclass(base)
        for key, value in adapter(base).json_schema()["properties"].items()
        if "description" in value
    }


def _plain(schema: Any, definitions: dict[str, Any]) -> Any:
    """Return a schema with its sections in place, and without unions as far as that is possible."""
    if isinstance(schema, list):
        return [_plain(inner, definitions) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        reference = schema["$ref"].rpartition("/")[2]
        own = {key: value for key, value in schema.items() if key != "$ref"}
        return _plain({**definitions[reference], **own}, definitions)
    if "oneOf" in schema:
        members = _plain(schema["oneOf"], definitions)
        return _by_kind(members, needs_kind="discriminator" in schema)
    if "anyOf" in schema:
        return _without_null(schema, definitions)
    return {key: _plain(value, definitions) for key, value in schema.items()}


def _without_null(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Leave out null, which TOML does not have; what else may be there differs by its type."""
    own = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
    if schema.get("default") is not None:
        own["default"] = schema["default"]
    members = [_plain(item, definitions) for item in schema["anyOf"] if item != {"type": "null"}]
    if len(members) == 1:
        return {**members[0], **own}
    merged = {key: value for member in members for key, value in member.items()}
    return {**merged, "type": [member["type"] for member in members], **own}


def _by_kind(members: list[dict[str, Any]], *, needs_kind: bool) -> dict[str, Any]:
    """
    Return one section with the keys of all; without a `kind`, the first member is meant if it may be left out.

    A member whose kind is any text stands for classes of the user's own: it is told by the colon.
    """
    fixed = [member for member in members if "const" in member["properties"]["kind"]]
    own = [member for member in members if member not in fixed]
    kinds = [member["properties"]["kind"]["const"] for member in fixed]
    properties = {
        key: value for member in reversed(members) for key, value in member["properties"].items()
    }
    named: list[tuple[str, dict[str, Any]]] = [(kind, {"const": kind}) for kind in kinds]
    if own:
        named.append((PluginSource.TAG, {"pattern": PluginSource.PATTERN}))
    described = [
        f"{kind}: {member['description']}"
        for (kind, _), member in zip(named, [*fixed, *own], strict=True)
    ]
    choice: dict[str, Any] = {"enum": kinds}
    if own:  # editors complete examples as they do the values of an enum
        pattern = f"^({'|'.join(kinds)})$|{PluginSource.PATTERN}"
        choice = {"type": "string", "pattern": pattern, "examples": kinds}
    properties["kind"] = {**choice, "description": "\n".join(described)}
    rules = [_rule(member) for member in [*fixed, *own]]
    chosen = rules[0]
    for (_, told_by), rule in zip(named[1:], rules[1:], strict=True):
        is_kind = {"required": ["kind"], "properties": {"kind": told_by}}
        chosen = {"if": is_kind, "then": rule, "else": chosen}
    section = {"type": "object", "properties": properties, **chosen}
    return {**section, "required": ["kind"]} if needs_kind or own else section


def _rule(member: dict[str, Any]) -> dict[str, Any]:
    """Return which keys one kind of a section has."""
    return {
        "required": [key for key in member.get("required", []) if key != "kind"],
        "properties": dict.fromkeys(member["properties"], True),
        "additionalProperties": False,
    }
