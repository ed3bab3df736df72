"""The manifest: canonical bytes, and strict reading of hostile ones."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import VerificationFailed
from edge_agent.manifest import (
    FORMAT,
    LARGEST_CONTENT_BYTES,
    MOST_FILES,
    File,
    Manifest,
    check_path,
    read_manifest,
    release_id,
    version_tuple,
)

DIGEST = hashlib.sha256(b"x").hexdigest()


def _file(path: str, size: int = 1) -> File:
    return File(path=path, size=size, sha256=DIGEST)


MANIFEST = Manifest(
    name="gait",
    version="1.0.0",
    edgekit="0.1.0",
    board="raspberry-pi-4",
    target="aarch64-unknown-linux-gnu",
    cpu="cortex-a72",
    glibc="2.17",
    engine="tract 0.23.9",
    registries=("tract_nnef", "tract_core"),
    about={"verdict": "proven"},
    files=(_file("agent.json"), _file("site/edge_agent/__init__.py", 0)),
)


def _bytes(**changes: Any) -> bytes:
    return json.dumps({**MANIFEST.to_json(), **changes}).encode()


def test_what_is_written_is_read() -> None:
    """Equal manifests have equal bytes, which name them."""
    data = MANIFEST.to_bytes()

    assert read_manifest(data, "here") == MANIFEST
    assert replace(MANIFEST).to_bytes() == data
    assert release_id(data) == hashlib.sha256(data).hexdigest()
    assert json.loads(data)["signature"] is None
    assert MANIFEST.content_bytes == 1


def test_facts_that_a_reader_may_overlook_are_no_new_format() -> None:
    """A newer EdgeKit may say more in `about` without locking older devices out."""
    found = read_manifest(_bytes(about={"verdict": "proven", "mood": "good"}), "here")

    assert found.about["mood"] == "good"


def test_a_later_format_says_what_to_do() -> None:
    """Whatever else it holds: what an old reader must not overlook is never overlooked."""
    data = json.dumps({"format": FORMAT + 1, "anything": [1]}).encode()

    with pytest.raises(VerificationFailed, match="has format 2: this EdgeKit reads 1") as caught:
        read_manifest(data, "here")

    assert "update" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff", "no UTF-8"),
        (b"", "no manifest of a bundle"),
        (b"[]", "no manifest of a bundle"),
        (b"{}", "no manifest of a bundle"),
        (b'{"format": true}', "no manifest of a bundle"),
        (b'{"format": 1.0}', "is"),
        (b'{"format": "1"}', "no manifest of a bundle"),
        (b"[" * 100_000, "no manifest of a bundle"),
        (b'{"format": 1}', "`name` is missing"),
        (_bytes(extra=1), "`extra` is no key that is known here"),
        (_bytes(name="../x"), "no name of a project"),
        (_bytes(glibc="new"), "`glibc` is `new`"),
        (_bytes(python="3"), "`python` is `3`"),
        (_bytes(signature="me"), "`signature`"),
        (_bytes(files=[]), "`files` has 0"),
        (_bytes(files=[{"path": "a", "size": True, "sha256": DIGEST}]), "files[0].size"),
        (_bytes(files=[{"path": "a", "size": -1, "sha256": DIGEST}]), "`size` of `a` is -1"),
        (_bytes(files=[{"path": "a", "size": 1, "sha256": DIGEST.upper()}]), "is no digest"),
        (_bytes(files=[{"path": "/a", "size": 1, "sha256": DIGEST}]), "plain relative path"),
        (MANIFEST.to_bytes().replace(b'"cpu"', b'"cpu": "x", "cpu"'), "stands twice"),
    ],
)
def test_what_is_no_manifest_is_a_sentence(data: bytes, said: str) -> None:
    """Exit code 5, the place, and what is wrong; never a traceback."""
    with pytest.raises(VerificationFailed) as caught:
        read_manifest(data, "`x.tar.xz`")

    assert caught.value.message.startswith("`x.tar.xz`")
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["b", "a"], "not sorted"),
        (["a", "a"], "`a` twice"),
        (["A", "a"], "`a` twice"),
        (["a", "a/b"], "`a` as a file and as a folder"),
        (["manifest.json"], "`manifest.json` twice"),
        (["a"] * (MOST_FILES + 1), f"at most|must be 1 to {MOST_FILES}"),
    ],
)
def test_a_list_of_files_that_cannot_be_unpacked_is_refused(paths: list[str], said: str) -> None:
    """Every file has a place of its own, on every file system."""
    with pytest.raises(ValueError, match=said):
        replace(MANIFEST, files=tuple(map(_file, paths)))


def test_the_sum_of_the_sizes_is_capped() -> None:
    """Many files of an allowed size are not allowed to fill a disk."""
    files = tuple(_file(name, LARGEST_CONTENT_BYTES // 2) for name in "abc")

    with pytest.raises(ValueError, match="bytes together"):
        replace(MANIFEST, files=files)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../a",
        "a/../b",
        "a/..",
        ".",
        "./a",
        "a/./b",
        "a//b",
        "a/",
        "a\\b",
        "C:\\x",
        "a\0b",
        "a\nb",
        "a\x1b[2Jb",
        "a\u202eb",
        "u\u0308ber.py",
        "x" * 101,
        "/".join(["abc"] * 60),
    ],
)
def test_paths_that_leave_or_mislead_are_refused(path: str) -> None:
    """Only plain relative names in normal form: nothing leaves the folder, no two spell the same file."""
    with pytest.raises(ValueError, match="must be a plain relative path"):
        check_path(path)


@given(st.lists(st.text("ab.é-_ ", min_size=1, max_size=20), min_size=1, max_size=4))
def test_a_path_that_is_taken_stays_below_its_folder(parts: list[str]) -> None:
    """Whatever passes has no part that goes up or stays."""
    path = "/".join(parts)
    try:
        check_path(path)
    except ValueError:
        assert {".", ".."} & set(parts)
    else:
        assert not {"", ".", ".."} & set(path.split("/"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from([*MANIFEST.to_json(), "other"]), JSON)
def test_any_value_in_any_place_is_taken_or_a_sentence(key: str, value: Any) -> None:
    """Whatever a hostile manifest holds, reading it ends in a manifest or in VerificationFailed."""
    data = _bytes(**{key: value})
    try:
        found = read_manifest(data, "here")
    except VerificationFailed:
        assert repr(value) != repr(MANIFEST.to_json().get(key, ...))
    else:
        assert read_manifest(found.to_bytes(), "here") == found


def test_versions_are_compared_as_numbers() -> None:
    """2.9 is before 2.36."""
    assert version_tuple("2.9") < version_tuple("2.36") < version_tuple("3.1")
