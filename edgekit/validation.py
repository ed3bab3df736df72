"""
Pydantic's errors in EdgeKit's words: the dotted key as it stands in the file, the value, and what is wanted.

Types say what a location means: pydantic also names the member of a union that it tried, and no key
of the file bears that name.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from dataclasses import dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import ValidationError

Key = tuple[str | int, ...]

_LONGEST_VALUE = 60  # characters; what fits in a line


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, what (a predicate of the key), and what to do about it."""

    key: Key
    message: str
    hint: str | None = None
    meant: Key | None = None
    """Of an unknown key: the near one, which is then not missing as well."""
    plain: bool = False
    """Whether the key stands above all sections, in files that have such keys."""

    def __str__(self) -> str:
        dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.key)
        name = dotted.lstrip(".")
        thing = f"section [{name}]" if len(self.key) == 1 and not self.plain else f"`{name}`"
        return f"{thing} {self.message}" if name else self.message


def not_finite(value: Any, key: Key = ()) -> Iterator[Problem]:
    """Find the numbers of a TOML value that JSON does not have: nan and inf."""
    if isinstance(value, float) and not math.isfinite(value):
        yield Problem(key, f"is {value}: must be a finite number")
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from not_finite(inner, (*key, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from not_finite(inner, (*key, index))


def problems_of(error: ValidationError, root: type) -> Iterator[Problem]:
    """Translate the errors of validating a `root`; those of the members of one union become one."""
    found: dict[Key, list[Problem]] = {}
    for item in error.errors(include_url=False):
        problem = _problem(item, root)
        found.setdefault(problem.key, []).append(problem)
    meant = {problem.meant for problems in found.values() for problem in problems}
    for key, problems in found.items():
        deeper = any(other != key and other[: len(key)] == key for other in found)
        if (key and deeper) or key in meant:
            continue  # said by the one that names the element, or the key as it is written
        wanted = [problem.message.rpartition(": must be ") for problem in problems]
        head, must, _ = wanted[0]
        message = head + must + " or ".join(dict.fromkeys(want for _, _, want in wanted))
        yield Problem(key, message, problems[0].hint, plain=_is_plain(root, key))


def _is_plain(root: type, key: Key) -> bool:
    """Tell whether a key is, or must be meant to be, one that stands above all sections of the file."""
    hints = get_type_hints(root, include_extras=True)
    plain = {name for name, hint in hints.items() if not sections(hint)}
    return len(key) == 1 and bool(plain) and (key[0] in plain or key[0] not in hints)


_WANTED = {
    "bool_type": "true or false",
    "dataclass_type": "a section",
    "dict_type": "a table",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "string_type": "text in quotes",
    "tuple_type": "a list",
}


def _problem(item: Any, root: type) -> Problem:  # noqa: PLR0911 (a line for each kind of error)
    key, owner = _place(root, item["loc"])
    kind, value, context = item["type"], _shown(item["input"]), item.get("ctx", {})
    if kind in {"unexpected_keyword_argument", "extra_forbidden"}:
        return _unknown(key, owner, root)
    if kind in {"missing", "missing_argument"}:
        return Problem(key, "is missing")
    if kind == "value_error":
        return _own_check(key, context["error"])
    if kind == "literal_error":
        hint = _near(item["input"], _quoted(context["expected"]))
        return Problem(key, f"is {value}: must be {context['expected']}", hint)
    if kind.startswith("union_tag") and not isinstance(item["input"], dict):
        return Problem(key, f"is {value}: must be a section")
    if kind == "union_tag_invalid":
        wanted = context["expected_tags"]
        hint = _near(context["tag"], _quoted(wanted))
        return Problem((*key, "kind"), f"is '{context['tag']}': must be one of {wanted}", hint)
    if kind == "union_tag_not_found":
        return Problem((*key, "kind"), "is missing")
    if kind in _WANTED:
        return Problem(key, f"is {value}: must be {_WANTED[kind]}")
    return Problem(key, f"is {value}: {item['msg'].replace('Input should', 'must')}")


def _own_check(key: Key, error: ValueError) -> Problem:
    """Read what a dataclass's own check says: its message starts with the key, in backticks; a note is the hint."""
    message, hint = str(error), next(iter(getattr(error, "__notes__", ())), None)
    found = re.fullmatch(r"`(\w+(?:\.\w+)*)` (.*)", message, re.DOTALL)
    if found is None:
        return Problem((), message, hint)
    return Problem((*key, *found[1].split(".")), found[2], hint)


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def _near(word: object, known: Sequence[str]) -> str | None:
    close = difflib.get_close_matches(str(word).lower(), known, n=1)
    return f"did you mean `{close[0]}`?" if close else None


def _place(root: type, location: tuple[str | int, ...]) -> tuple[Key, type | None]:
    """Return the dotted key of a pydantic location, and the dataclass that its last part is of."""
    key: list[str | int] = []
    kind: Any = root
    owner: type | None = None
    for part in location:
        members = _members(kind)
        if len(members) > 1:  # this part names the member that was tried
            kind = next((member for member in members if _tag(member) == part), None)
            continue
        key.append(part)
        member = members[0] if members else None
        owner = member if isinstance(member, type) and is_dataclass(member) else None
        if owner is not None:
            kind = get_type_hints(owner, include_extras=True).get(str(part))
        else:
            kind = get_args(member)[0] if get_origin(member) is tuple else None
    return tuple(key), owner


def _members(kind: Any) -> list[Any]:
    """Return the types that a value may have, without None and without annotations."""
    if get_origin(kind) is Annotated:
        return _members(get_args(kind)[0])
    if get_origin(kind) in {Union, UnionType}:
        return [member for inner in get_args(kind) for member in _members(inner)]
    return [] if kind is None or kind is NoneType else [kind]


def _tag(kind: Any) -> str | None:
    """Return a dataclass's own `kind`, by which pydantic names it in a union; of one for any class, its tag."""
    hint = get_type_hints(kind).get("kind") if is_dataclass(kind) else None
    if hint is str:
        return str(getattr(kind, "TAG", ""))
    return str(get_args(hint)[0]) if get_origin(hint) is Literal else None


def _unknown(key: Key, owner: type | None, root: type) -> Problem:
    """Say where an unknown key belongs: to a very near one of its section, else to another section."""
    word = str(key[-1])
    message = "is unknown" if len(key) == 1 else "is an unknown key"
    own = [item.name for item in fields(owner)] if owner is not None else []
    elsewhere = _elsewhere(word, root) if owner is not root else None
    cutoff = 0.6 if elsewhere is None else 0.8
    near = difflib.get_close_matches(word.lower(), own, n=1, cutoff=cutoff)
    if near:
        return Problem(key, message, f"did you mean `{near[0]}`?", (*key[:-1], near[0]))
    return Problem(key, message, elsewhere)


def _elsewhere(word: str, root: type) -> str | None:
    """Name the section that has such a key."""
    for section, hint in get_type_hints(root, include_extras=True).items():
        for member in sections(hint):
            if word in {item.name for item in fields(member)}:
                kind = f' with `kind = "{_tag(member)}"`' if len(sections(hint)) > 1 else ""
                return f"`{word}` belongs in [{section}]{kind}"
    return None


def sections(hint: Any) -> list[type]:
    """Return the dataclasses that a section may be; a tuple is a section that may come repeatedly."""
    inner = [
        get_args(member)[0] if get_origin(member) is tuple else member for member in _members(hint)
    ]
    found = [member for kind in inner for member in _members(kind)]
    return [member for member in found if isinstance(member, type) and is_dataclass(member)]
