"""Which Rust is taken: never a mix, never a download, and a command where none will do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgekit.build.rust import find_rust
from edgekit.errors import ToolError

if TYPE_CHECKING:
    from tests.unit.edgekit.build.conftest import Workshop

TARGET = "aarch64-unknown-linux-gnu"


def test_rustup_is_taken_if_it_has_the_target(workshop: Workshop) -> None:
    """The user's own choice of Rust comes first; cargo is the one beside the compiler."""
    rustc = workshop.rustup()
    workshop.rust()

    rust = find_rust(TARGET)

    assert (rust.kind, rust.rustc, rust.number) == ("rustup", rustc, "1.95.0")
    assert rust.cargo == rustc.with_name("cargo")


def test_the_system_is_taken_if_rustup_lacks_the_target(workshop: Workshop) -> None:
    """A distribution's Rust that can do it goes before a download."""
    workshop.rustup(with_target=False)
    rustc = workshop.rust()

    rust = find_rust(TARGET)

    assert (rust.kind, rust.rustc) == ("system", rustc)


def test_rustup_is_asked_for_a_path_alone(workshop: Workshop) -> None:
    """Whatever is missing, rustup is never asked to install anything, and is told not to."""
    workshop.rustup(with_target=False)

    with pytest.raises(ToolError):
        find_rust(TARGET)

    assert set(workshop.rustup_calls.read_text().splitlines()) == {"0 which rustc"}


def test_a_kind_that_is_asked_for_is_the_only_one_tried(workshop: Workshop) -> None:
    """`--rust rustup` does not fall back to the system's, and the other way round."""
    workshop.rustup(with_target=False)
    system = workshop.rust()

    assert find_rust(TARGET, "system").rustc == system
    with pytest.raises(ToolError, match=r"rustup's Rust 1\.95\.0") as caught:
        find_rust(TARGET, "rustup")
    assert caught.value.hint == f"run `rustup target add {TARGET}`"


def test_the_newest_numbered_compiler_is_taken(workshop: Workshop) -> None:
    """Ubuntu has rustc-1.91 beside an older rustc: cargo of the same number goes with it."""
    workshop.rust(release="1.75.0")
    workshop.rust(suffix="-1.91", release="1.91.1")
    rustc = workshop.rust(suffix="-1.93", release="1.93.0")

    rust = find_rust(TARGET)

    assert (rust.rustc, rust.cargo.name) == (rustc, "cargo-1.93")


def test_a_proxy_of_rustup_is_no_system_rust(workshop: Workshop) -> None:
    """~/.cargo/bin/rustc is rustup under another name: it could install."""
    workshop.rustup(with_target=False)
    workshop.program("cargo", "exit 1")
    (workshop.path / "rustc").symlink_to(workshop.path / "rustup")

    with pytest.raises(ToolError, match="the system has no Rust"):
        find_rust(TARGET, "system")


def test_the_package_of_the_standard_library_is_named(workshop: Workshop) -> None:
    """On Debian 12 the compiler is of `rustc-web`, and so must its library be."""
    rustc = workshop.rust(with_target=False)
    workshop.program("dpkg-query", f'echo "rustc-web: {rustc}"')

    with pytest.raises(ToolError) as caught:
        find_rust(TARGET)

    assert "apt-get install --no-install-recommends libstd-rust-web-dev:arm64" in str(
        caught.value.hint
    )


def test_a_rust_that_is_too_old(workshop: Workshop) -> None:
    """The version that is wanted is said."""
    workshop.rust(release="1.63.0")

    with pytest.raises(ToolError, match=r"1\.63\.0 .* is too old: 1\.91 or newer"):
        find_rust(TARGET)


def test_no_rust_at_all(workshop: Workshop) -> None:
    """Both ways out are named: Rust, or wheels that are ready."""
    with pytest.raises(ToolError, match="there is no Rust on this machine") as caught:
        find_rust(TARGET)

    assert "rustup.rs" in str(caught.value.hint)
    assert "[build] wheels" in str(caught.value.hint)
    assert not list(workshop.path.glob("rust*"))
