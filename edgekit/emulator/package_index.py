"""The index of a Debian archive: which packages there are, what they need, and what their bytes must be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, kw_only=True)
class Package:
    """One package of the index."""

    name: str
    version: str
    path: str
    """Where it is, below the archive's address."""
    size_bytes: int
    sha256: str
    needs: tuple[tuple[str, ...], ...]
    """What must be there as well: one of the names of each entry."""
    provides: tuple[str, ...]


def read_packages(text: str) -> dict[str, Package]:
    """Read a `Packages` file; where a package stands twice, the last one counts."""
    found = {}
    for fields in _paragraphs(text):
        if "Filename" in fields and "SHA256" in fields:
            found[fields["Package"]] = Package(
                name=fields["Package"],
                version=fields["Version"],
                path=fields["Filename"],
                size_bytes=int(fields["Size"]),
                sha256=fields["SHA256"],
                needs=(*_relations(fields, "Pre-Depends"), *_relations(fields, "Depends")),
                provides=tuple(names[0] for names in _relations(fields, "Provides")),
            )
    return found


def read_release(text: str) -> dict[str, tuple[str, int]]:
    """Return SHA-256 and size of every file that a `Release` file lists, by its path."""
    section = re.search(r"^SHA256:\n((?: .*\n?)+)", text, re.MULTILINE)
    rows = [line.split() for line in section[1].splitlines()] if section else []
    return {row[2]: (row[0], int(row[1])) for row in rows if len(row) == 3}  # noqa: PLR2004 (digest, size, path)


def closure(packages: Mapping[str, Package], wanted: Iterable[str]) -> list[Package]:
    """Return the packages with all that they need, by name. Raises ToolError if one is missing."""
    provided = {name: package.name for package in packages.values() for name in package.provides}
    found: dict[str, Package] = {}
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name not in packages:
            raise ToolError(f"the archive has no package `{name}`")
        if name in found:
            continue
        found[name] = packages[name]
        for choices in packages[name].needs:
            known = [provided.get(choice, choice) for choice in choices]
            known = [choice for choice in known if choice in packages]
            if not known:
                raise ToolError(f"the archive has no package `{choices[0]}`, which `{name}` needs")
            if not any(choice in found for choice in known):
                waiting.append(known[0])
    return [found[name] for name in sorted(found)]


def _paragraphs(text: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each paragraph (deb822(5)); continued lines are none of those needed here."""
    for paragraph in re.split(r"\n{2,}", text):
        fields = dict(re.findall(r"^([A-Za-z0-9-]+):[ \t]*(.*)$", paragraph, re.MULTILINE))
        if "Package" in fields:
            yield fields


def _relations(fields: Mapping[str, str], field: str) -> Iterator[tuple[str, ...]]:
    """Yield the names of a list such as `libc6 (>= 2.36), default-mta | mail-transport-agent`."""
    for entry in fields.get(field, "").split(","):
        if entry.strip():
            yield tuple(re.split(r"[\s:(\[]", choice.strip())[0] for choice in entry.split("|"))
