"""
TOML files read strictly into dataclasses: an unknown key is an error, and errors name file, line and dotted key.

Silence about an unknown key would let a typing error change what a device does.
"""

from __future__ import annotations

import functools
import json
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from edgekit.errors import ConfigError
from edgekit.validation import Key, Problem, not_finite, problems_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from pathlib import Path

_LARGEST_FILE_BYTES = 1 << 20  # such files are written by hand
_MOST_PROBLEMS = 8  # more than a screen of them helps nobody

T = TypeVar("T")

adapter = functools.cache(TypeAdapter[Any])
"""Pydantic's reader of a type; building one takes milliseconds, so each is kept."""


@dataclass(frozen=True)
class TomlFile:
    """A file that is TOML, with its text so that errors can name a line."""

    path: Path
    text: str
    table: dict[str, Any]


def read_toml(path: Path) -> TomlFile:
    """Read a TOML file of sane size; raise ConfigError naming file and line."""
    try:
        if not path.is_file():
            raise ConfigError(f"`{path}` is not a file")
        size_bytes = path.stat().st_size
        if size_bytes > _LARGEST_FILE_BYTES:
            raise ConfigError(
                f"`{path}` has {size_bytes} bytes: at most {_LARGEST_FILE_BYTES} are read"
            )
        text = path.read_text(encoding="utf-8-sig")
        return TomlFile(path, text, tomllib.loads(text))
    except OSError as error:
        raise ConfigError(f"cannot read `{path}`: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"`{path}` is not UTF-8 text (byte {error.start})", hint="save it as UTF-8"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            _syntax_error(path, str(error)), hint="text goes in quotes, lists in [ ]"
        ) from error
    except RecursionError as error:
        raise ConfigError(f"`{path}` is nested too deeply") from error


def validate(kind: type[T], file: TomlFile) -> T:
    """
    Make a dataclass of the file; raise ConfigError listing all that is wrong.

    JSON stands in between because pydantic's strict mode, which makes no number of a text, makes
    dataclasses of JSON only.
    """
    problems = list(not_finite(file.table))
    if not problems:
        try:
            text = json.dumps(file.table, default=str)
            value: T = adapter(cast("Hashable", kind)).validate_json(text, strict=True)
        except ValidationError as error:
            problems = list(problems_of(error, kind))
        else:
            return value
    raise config_error(problems, file)


def _syntax_error(path: Path, message: str) -> str:
    """Turn tomllib's `… (at line 3, column 5)` into `file:3: …`, to which editors jump."""
    found = re.fullmatch(
        r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", message, re.DOTALL
    )
    what, line = (found[1], found[2]) if found else (message, None)
    return f"{path}{f':{line}' if line else ''}: not TOML: {what[:1].lower()}{what[1:]}"


def config_error(problems: Sequence[Problem], file: TomlFile) -> ConfigError:
    """Return the error that lists what is wrong in a file, each with its line."""
    places = [f"{file.path}{_line(file.text, problem.key)}: {problem}" for problem in problems]
    hints = [problem.hint for problem in problems]
    if len(problems) == 1:
        return ConfigError(places[0], hint=hints[0])
    lines = [
        f"{place} ({hint})" if hint else place for place, hint in zip(places, hints, strict=True)
    ]
    if len(lines) > _MOST_PROBLEMS:
        lines[_MOST_PROBLEMS:] = [f"… and {len(lines) - _MOST_PROBLEMS} more"]
    return ConfigError(
        "\n  ".join([f"{len(problems)} things are wrong in `{file.path.name}`", *lines])
    )


_HEADER = re.compile(r"\s*\[\[?\s*([\w.-]+)\s*\]\]?\s*(?:#.*)?$")


def _line(text: str, key: Key) -> str:
    """Return `:12`, the line of a key or else of its section; nothing where neither is found."""
    names = [part for part in key if isinstance(part, str)]
    wanted_table = key[1] if len(key) > 1 and isinstance(key[1], int) else 0
    if not names:
        return ""
    section_line, current, seen = 0, "", -1
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header is not None:
            current = header[1]
            seen += current == names[0]
            if current == names[0] and seen == wanted_table:
                section_line = number
        elif names[1:]:
            if (current, seen) == (names[0], wanted_table) and _sets(line, names[1]):
                return f":{number}"
        elif not current and _sets(line, names[0]):
            return f":{number}"
    return f":{section_line}" if section_line else ""


def _sets(line: str, name: str) -> bool:
    return re.match(rf"""\s*["']?{re.escape(name)}["']?\s*[.=]""", line) is not None
