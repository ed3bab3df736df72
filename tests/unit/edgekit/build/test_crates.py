"""Progress: crates under way of crates to compile."""

from __future__ import annotations

from edgekit.build.crates import CrateCounter, _reachable


def test_each_crate_counts_once() -> None:
    """A version is a crate of its own; what is no `Compiling` line is none."""
    told: list[tuple[int, int | None, str]] = []
    counter = CrateCounter(3, lambda *state: told.append(state))

    for line in (
        "   Compiling libc v0.2.1",
        "warning: unused",
        "   Compiling syn v1.0.0",
        "   Compiling syn v2.0.0 (/somewhere)",
        "   Compiling libc v0.2.1",
    ):
        counter.line(line)

    assert told == [(1, 3, "libc"), (2, 3, "syn"), (3, 3, "syn"), (3, 3, "libc")]


def test_more_crates_than_were_foreseen() -> None:
    """The bar never says more than all."""
    told: list[int | None] = []
    counter = CrateCounter(1, lambda _done, total, _what: told.append(total))

    counter.line("   Compiling a v1.0.0")
    counter.line("   Compiling b v1.0.0")

    assert told == [1, 2]


def test_what_only_tests_need_is_not_counted() -> None:
    """From the crate of the wheel, through normal and build dependencies."""

    def node(name: str, **deps: str | None) -> dict[str, object]:
        kinds = [{"pkg": pkg, "dep_kinds": [{"kind": kind}]} for pkg, kind in deps.items()]
        return {"id": name, "deps": kinds}

    def package(name: str, kind: str) -> dict[str, object]:
        return {"id": name, "targets": [{"kind": [kind]}]}

    metadata = {
        "packages": [package("python", "cdylib"), package("engine", "lib"), package("a", "lib")],
        "workspace_members": ["python", "engine"],
        "resolve": {
            "nodes": [
                node("python", engine=None, cc="build"),
                node("engine", a=None, criterion="dev"),
                node("a", engine=None),
                node("cc"),
                node("criterion"),
            ]
        },
    }

    assert _reachable(metadata) == 4
