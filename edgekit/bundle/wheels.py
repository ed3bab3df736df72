"""What a bundle takes out of a wheel: modules, and the licences of those who wrote them."""

from __future__ import annotations

import email.parser
import io
import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_agent.manifest import LARGEST_CONTENT_BYTES
from edgekit.errors import VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

_LICENCE = re.compile(r"(licen[cs]e|copying|notice|authors)", re.IGNORECASE)
_METADATA = "METADATA"


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """The part of a wheel that ships."""

    name: str
    version: str
    licence: str
    """As its metadata says."""
    files: Mapping[str, bytes]
    """By path below the folder that is put on Python's path; type stubs, scripts, records and bills of materials stay behind."""

    @property
    def licence_files(self) -> tuple[str, ...]:
        """Paths of the texts of its licences."""
        return tuple(path for path in self.files if _is_licence(path))


def read_wheel(data: bytes, name: str) -> Distribution:
    """
    Take what ships out of a wheel; `name` names it in errors.

    Raises VerificationFailed if it is no wheel, is damaged, or unpacks to more than a bundle may hold.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            wanted = [item for item in archive.infolist() if _ships(item.filename)]
            if sum(item.file_size for item in wanted) > LARGEST_CONTENT_BYTES:
                raise VerificationFailed(f"`{name}` unpacks to more than a bundle may hold")
            files = {item.filename: archive.read(item) for item in wanted}
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise VerificationFailed(
            f"`{name}` is damaged or no wheel: {error}",
            hint="delete it: it is made or fetched again",
        ) from None
    metadata = next((path for path in files if path.endswith(f".dist-info/{_METADATA}")), None)
    if metadata is None:
        raise VerificationFailed(f"`{name}` is no wheel: it has no `{_METADATA}`")
    facts = email.parser.Parser().parsestr(files[metadata].decode(errors="replace"))
    return Distribution(
        name=facts.get("Name", name),
        version=facts.get("Version", ""),
        licence=facts.get("License-Expression") or facts.get("License") or "not stated",
        files=dict(sorted(files.items())),
    )


def _ships(path: str) -> bool:
    top, _, rest = path.partition("/")
    if path.endswith("/") or top.endswith(".data") or "__pycache__" in path:
        return False
    if top.endswith(".dist-info"):
        return rest == _METADATA or _is_licence(path)
    return not path.endswith((".pyi", "/py.typed"))


def _is_licence(path: str) -> bool:
    top, _, rest = path.partition("/")
    return top.endswith(".dist-info") and (
        rest.startswith("licenses/") or ("/" not in rest and _LICENCE.match(rest) is not None)
    )
