"""The bundle's NOTICE: whose work is in it, under which licence, and where its text is."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.bundle.contents import LICENCES, SITE
from edgekit.resources import PACKAGE, version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgekit.bundle.wheels import Distribution

NAME = "NOTICE"
_OWN = "MIT OR Apache-2.0"


def own_licences() -> dict[str, bytes]:
    """Return the texts of EdgeKit's own licences by path in a bundle."""
    found = sorted(PACKAGE.parent.glob("LICENSE*")) or _installed()
    return {f"{LICENCES}/edgekit/{path.name}": path.read_bytes() for path in found}


def notice(
    distributions: Iterable[Distribution], own: Iterable[str], *, model: str, plugin: str | None
) -> bytes:
    """Return the text; `own` are the paths of EdgeKit's licences, `plugin` the user's own package."""
    lines = ["This bundle contains:", ""]
    lines += _entry(f"edge_agent {version()} (EdgeKit)", _OWN, list(own))
    for item in distributions:
        paths = [f"{SITE}/{path}" for path in item.licence_files]
        lines += _entry(f"{item.name} {item.version}", item.licence, paths)
    lines += ["The work of the project itself:", f"- its model, made of `{model}`"]
    if plugin is not None:
        lines.append(f"- its package `{plugin}`")
    return "\n".join([*lines, ""]).encode()


def _entry(name: str, licence: str, paths: list[str]) -> list[str]:
    first = " ".join(licence.split())
    texts = [f"  {path}" for path in paths] or ["  its licence is stated in its files"]
    return [f"{name}: {first}", *texts, ""]


def _installed() -> list[Path]:
    """Return the licence files of an installed EdgeKit."""
    try:
        files = metadata.files("edgekit") or []
    except metadata.PackageNotFoundError:
        return []
    return sorted(Path(str(file.locate())) for file in files if file.name.startswith("LICENSE"))
