"""
A catalogue: a folder of TOML files, one thing a file; the file's name is the thing's id.

Several folders make one catalogue; a file in a nearer folder (the project's before the user's before those that ship)
takes the place of one with the same name. A file is read when it is asked for: a mistake in another one stops nobody.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

from edgekit.errors import ConfigError
from edgekit.strict_toml import read_toml, validate

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ID_PATTERN = "[a-z0-9]+(?:[.-][a-z0-9]+)*"
_SHORTEST = 3  # letters of an abbreviation
_ALIKE = 0.6  # difflib's measure: about two letters in five may differ

T = TypeVar("T")


@dataclass(frozen=True)
class Catalog(Generic[T]):
    """The things of one kind, a dataclass, in folders that may be missing; the nearest folder is the first."""

    kind: type[T]
    folders: tuple[Path, ...]

    @cached_property
    def paths(self) -> dict[str, Path]:
        """The files by id, sorted. Raises ConfigError if a name is no id or a folder cannot be read."""
        found: dict[str, Path] = {}
        for folder in self.folders:
            for path in _files(folder):
                if not re.fullmatch(ID_PATTERN, path.stem):
                    raise ConfigError(
                        f"`{path}`: `{path.stem}` is no id",
                        hint="name the file with lower-case letters and digits, hyphens between: `my-board.toml`",
                    )
                found.setdefault(path.stem, path)
        return dict(sorted(found.items()))

    def read(self, name: str) -> T:
        """Read one thing. Raises ConfigError naming file, line and key; KeyError if there is none of that id."""
        return validate(self.kind, read_toml(self.paths[name]))

    def all(self) -> dict[str, T]:
        """Read all of them. Raises ConfigError at the first that is wrong."""
        return {name: self.read(name) for name in self.paths}


def nearest(text: str, names: Iterable[str]) -> str | None:
    """
    Return the name that was probably meant, or None; of several equally near the first.

    Besides typing errors this knows abbreviations, letters left out: `pi4`, `rpi-4` and `rpi4b` mean `raspberry-pi-4`.
    """
    plain = {name: _plain(name) for name in names}
    wanted = _plain(text)
    for short in (wanted, wanted[:-1]):
        longer = [name for name, letters in plain.items() if _is_abbreviation(short, letters)]
        if longer:
            return min(longer, key=len)
    close = difflib.get_close_matches(wanted, plain.values(), n=1, cutoff=_ALIKE)
    return next((name for name, letters in plain.items() if close and letters == close[0]), None)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(f"cannot read `{folder}`: {error.strerror}") from error


def _plain(text: str) -> str:
    return re.sub("[^a-z0-9]", "", text.lower())


def _is_abbreviation(short: str, full: str) -> bool:
    letters = iter(full)
    return len(short) >= _SHORTEST and all(letter in letters for letter in short)
