"""
JSON to the dataclasses of `edge_agent.config` and back, strictly, with the standard library alone.

Every error names the dotted key. Unknown keys are refused with the near name, a bool is no number, NaN and
infinity are refused, an integer is accepted for a float. A union of dataclasses is told apart by `kind`.
"""

from __future__ import annotations

import difflib
import json
import types
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from edge_agent.config import AgentConfig, PluginSource
from edge_agent.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

KINDS = {str: "a string", int: "an integer", float: "a number", bool: "true or false"}


def read_agent_config(path: Path) -> AgentConfig:
    """Read agent.json. Raises ConfigError that names the file and the dotted key."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read `{path}`: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"`{path}` is no UTF-8 text") from None
    return from_json(AgentConfig, text, where=str(path))


def from_json(cls: type[T], text: str, *, where: str) -> T:
    """Read one dataclass from JSON text; `where` names the text in errors."""
    return from_document(cls, read_json(text, where=where), where=where)


def read_json(text: str, *, where: str) -> Any:
    """Read JSON text without NaN and without a key twice. Raises ConfigError."""
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where} is no JSON: {error}") from None


def from_document(cls: type[T], document: Any, *, where: str, key: str = "") -> T:
    """Read one dataclass from a JSON document that stands under `key` in the text that `where` names."""
    try:
        value = _read(cls, document, key)
    except _ValueRefusedError as error:
        raise ConfigError(f"{where}: {error}", hint=error.hint) from None
    except RecursionError as error:
        raise ConfigError(f"{where} is no JSON: {error}") from None
    if not isinstance(value, cls):
        raise TypeError(f"{cls} is no dataclass")
    return value


def to_json(config: AgentConfig) -> dict[str, Any]:
    """Return the configuration as a JSON object."""
    return asdict(config)


def to_text(config: AgentConfig) -> str:
    """Return the configuration as canonical JSON text: equal configurations have equal bytes."""
    return (
        json.dumps(to_json(config), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        + "\n"
    )


class _ValueRefusedError(Exception):
    def __init__(self, key: str, message: str, hint: str | None = None) -> None:
        super().__init__(f"`{key}` {message}" if key else message)
        self.hint = hint


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key `{twice}` stands twice")
    return document


def _read(kind: Any, value: Any, key: str) -> Any:
    origin = get_origin(kind)
    if is_dataclass(kind):
        return _read_dataclass(kind, value, key)
    if origin in (Union, types.UnionType):
        return _read_union(get_args(kind), value, key)
    if origin is Literal:
        if value not in get_args(kind) or isinstance(value, bool):
            choices = ", ".join(f"`{choice}`" for choice in get_args(kind))
            raise _ValueRefusedError(
                key, f"is {_shown(value)}: must be {choices}", _near(value, get_args(kind))
            )
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise _ValueRefusedError(key, f"is {_shown(value)}: must be a list")
        return tuple(
            _read(get_args(kind)[0], item, f"{key}[{position}]")
            for position, item in enumerate(value)
        )
    if origin is dict:
        if not isinstance(value, dict):
            raise _ValueRefusedError(key, f"is {_shown(value)}: must be an object")
        return {
            name: _read(get_args(kind)[1], item, _join(key, name)) for name, item in value.items()
        }
    return value if kind is Any else _read_plain(kind, value, key)


def _read_plain(kind: type, value: Any, key: str) -> Any:
    if kind is type(None):
        if value is not None:
            raise _ValueRefusedError(key, f"is {_shown(value)}: must be null")
        return None
    if kind is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise _ValueRefusedError(key, "is beyond the range of a float") from None
    if type(value) is not kind:
        raise _ValueRefusedError(key, f"is {_shown(value)}: must be {KINDS[kind]}")
    if kind is float and value in (float("inf"), float("-inf")):
        raise _ValueRefusedError(key, "is beyond the range of a float")
    return value


def _read_dataclass(cls: Any, value: Any, key: str) -> Any:
    if not isinstance(value, dict):
        raise _ValueRefusedError(key, f"is {_shown(value)}: must be an object")
    known = {field.name: field for field in fields(cls)}
    for name in value:
        if name not in known:
            raise _ValueRefusedError(
                _join(key, name), "is no key that is known here", _near(name, known)
            )
    hints = get_type_hints(cls)
    arguments = {}
    for name, field in known.items():
        if name in value:
            arguments[name] = _read(hints[name], value[name], _join(key, name))
        elif field.default is MISSING and field.default_factory is MISSING:
            raise _ValueRefusedError(_join(key, name), "is missing")
    try:
        return cls(**arguments)
    except ValueError as error:
        raise _ValueRefusedError("", f"in `{key}`: {error}" if key else str(error)) from None


def _read_union(members: tuple[Any, ...], value: Any, key: str) -> Any:
    if type(None) in members and value is None:
        return None
    members = tuple(member for member in members if member is not type(None))
    if len(members) == 1:
        return _read(members[0], value, key)
    if all(is_dataclass(member) for member in members):
        return _read_by_kind(members, value, key)
    # The member of the value's own form has the most to say: `threshold.walk` is wrong, not `threshold`.
    forms = {dict: dict, tuple: list}
    own = [member for member in members if isinstance(value, forms.get(get_origin(member), ()))]
    plain = [member for member in members if get_origin(member) not in forms]
    for member in (own or plain)[:1]:
        return _read(member, value, key)
    raise TypeError(f"`{key}`: a union of {members} cannot be read")


def _read_by_kind(members: tuple[Any, ...], value: Any, key: str) -> Any:
    if not isinstance(value, dict):
        raise _ValueRefusedError(key, f"is {_shown(value)}: must be an object")
    by_kind = {_kind_of(member): member for member in members}
    kind = value.get("kind")
    if isinstance(kind, str) and ":" in kind and PluginSource.TAG in by_kind:
        return _read_dataclass(by_kind[PluginSource.TAG], value, key)
    if not isinstance(kind, str) or kind not in by_kind:
        choices = ", ".join(f"`{choice}`" for choice in by_kind)
        state = "is missing" if "kind" not in value else f"is {_shown(kind)}"
        raise _ValueRefusedError(
            _join(key, "kind"), f"{state}: must be one of {choices}", _near(kind, by_kind)
        )
    return _read_dataclass(by_kind[kind], value, key)


def _kind_of(member: Any) -> str:
    """Return the `kind` that tells a dataclass from the others of its union; of one for any class, its tag."""
    hint = get_type_hints(member)["kind"]
    return str(member.TAG if hint is str else get_args(hint)[0])


def _near(value: Any, known: Any) -> str | None:
    names = [name for name in known if isinstance(name, str)]
    near = difflib.get_close_matches(value, names, 1) if isinstance(value, str) else []
    return f"did you mean `{near[0]}`?" if near else None


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return f"`{text if len(text) <= 40 else text[:37] + '…'}`"  # noqa: PLR2004 (as much as fits a line)
