"""JUnit XML: verdicts in the form that build servers read."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgekit.atomic import write_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# What XML 1.0 does not allow in a document at all, not even escaped (Extensible Markup Language 1.0, §2.2).
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing that was checked."""

    name: str
    outcome: Literal["passed", "failed", "skipped"]
    message: str = ""
    """The measured number, or why it failed or was skipped; one line."""


def document(suite: str, cases: Sequence[Case]) -> bytes:
    """Return the cases as one test suite in UTF-8 XML."""
    count = {
        outcome: sum(case.outcome == outcome for case in cases) for outcome in ("failed", "skipped")
    }
    totals = {
        "name": _clean(suite),
        "tests": str(len(cases)),
        "failures": str(count["failed"]),
        "errors": "0",
        "skipped": str(count["skipped"]),
    }
    root = ET.Element("testsuites")
    element = ET.SubElement(root, "testsuite", totals)
    for case in cases:
        entry = ET.SubElement(element, "testcase", name=_clean(case.name), classname=_clean(suite))
        if case.outcome == "failed":
            ET.SubElement(entry, "failure", message=_clean(case.message))
        elif case.outcome == "skipped":
            ET.SubElement(entry, "skipped", message=_clean(case.message))
        elif case.message:
            ET.SubElement(entry, "system-out").text = _clean(case.message)
    ET.indent(root)
    xml: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return xml + b"\n"


def write(path: Path, suite: str, cases: Sequence[Case]) -> None:
    """Write `document` whole or not at all; raise EdgeKitError naming the file."""
    write_file(path, document(suite, cases))


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
