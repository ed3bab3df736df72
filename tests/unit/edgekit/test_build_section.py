"""`[build]` in edgekit.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgekit.errors import ConfigError
from edgekit.project import Project

if TYPE_CHECKING:
    from pathlib import Path

REST = '[project]\nname = "p"\n[model]\npath = "m.onnx"\n[input]\nkind = "tensor"\n[build]\n'
DIGEST = "0123456789abcdef" * 4


def _load(folder: Path, text: str) -> Project:
    (folder / "edgekit.toml").write_text(f"{REST}{text}\n")
    return Project.load(folder)


def test_all_keys(tmp_path: Path) -> None:
    """What is written is what is read."""
    build = _load(
        tmp_path,
        f'toolchain = "gcc"\nrust = "system"\nwheels = "https://x.example/w"\nwheels_sha256 = "{DIGEST}"',
    ).build

    assert (build.toolchain, build.rust) == ("gcc", "system")
    assert (build.wheels, build.wheels_sha256) == ("https://x.example/w", DIGEST)


def test_nothing_need_be_said(tmp_path: Path) -> None:
    """The board and the machine decide."""
    build = _load(tmp_path, "").build

    assert (build.toolchain, build.rust, build.wheels) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('toolchain = "clang"', '`build.toolchain` is "clang"'),
        ('rust = "nightly"', '`build.rust` is "nightly"'),
        ('toolchan = "zig"', "build.toolchan"),
        ('wheels = "http://x.example"', "must be an https:// address or a folder"),
        ('wheels = "https://x.example"', "wheels_sha256"),
        ('wheels = "w"\nwheels_sha256 = "abc"', "64 hexadecimal digits"),
        (f'wheels_sha256 = "{DIGEST}"', "without `wheels`"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    """Key and value, with the file's line."""
    with pytest.raises(ConfigError, match=r"edgekit\.toml") as caught:
        _load(tmp_path, text)
    assert said in caught.value.message
