"""What keeps the memory budget, on systems as they are found: the level in force is told, never the one that was wished for."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge_agent.command_line import main
from edge_agent.memory_limit import RASPBERRY_PI_FIX, Enforcement, enforce

if TYPE_CHECKING:
    from collections.abc import Mapping

MIB = 1 << 20
BUDGET_BYTES = 48 * MIB
STATUS = "Name:\tpython3\nVmRSS:\t   20480 kB\nVmData:\t   30720 kB\n"
PROCESS = {"proc/self/status": STATUS, "proc/self/statm": f"9999 {20 * MIB // 4096} 0 0 0 0 0\n"}
PI = {"proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0"}
UNIT = "system.slice/edgekit.slice/edgekit-gait.service"

SYSTEMS: dict[str, dict[str, str]] = {
    "Raspberry Pi OS, as it comes": {
        **PROCESS,
        **PI,
        "proc/self/cgroup": f"0::/{UNIT}\n",
        "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io pids\n",
        f"sys/fs/cgroup/{UNIT}/cgroup.controllers": "cpu pids\n",
    },
    "Raspberry Pi OS with the memory controller, in its slice": {
        **PROCESS,
        **PI,
        "proc/self/cgroup": f"0::/{UNIT}\n",
        "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
        f"sys/fs/cgroup/{UNIT}/memory.max": "max\n",
        f"sys/fs/cgroup/{UNIT}/memory.high": "max\n",
        "sys/fs/cgroup/system.slice/edgekit.slice/memory.max": f"{int(1.15 * BUDGET_BYTES)}\n",
        "sys/fs/cgroup/system.slice/edgekit.slice/memory.high": f"{BUDGET_BYTES}\n",
        "sys/fs/cgroup/system.slice/memory.max": "max\n",
    },
    "cgroup version 1 beside an empty version 2": {
        **PROCESS,
        "proc/self/cgroup": "4:memory:/app\n1:name=systemd:/init\n0::/\n",
        "sys/fs/cgroup/unified/cgroup.controllers": "\n",
        "sys/fs/cgroup/memory/app/memory.limit_in_bytes": f"{BUDGET_BYTES}\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    },
    "a container without cgroup files": {
        **PROCESS,
        "proc/self/cgroup": "0::/\n",
    },
    "a container of 512 MiB that is its own root": {
        **PROCESS,
        "proc/self/cgroup": "0::/../../docker/0123\n",
        "sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n",
        "sys/fs/cgroup/memory.max": f"{512 * MIB}\n",
    },
    "a Jetson, from a shell": {
        **PROCESS,
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
        "proc/self/cgroup": "0::/user.slice/user-1000.slice/session-3.scope\n",
        "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
        "sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope/memory.max": "max\n",
        "sys/fs/cgroup/user.slice/memory.max": "max\n",
    },
    "a Jetson, in its slice": {
        **PROCESS,
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
        "proc/self/cgroup": f"0::/{UNIT}\n",
        f"sys/fs/cgroup/{UNIT}/memory.max": f"{BUDGET_BYTES}\n",
    },
    "no /proc": {"sys/fs/cgroup/cgroup.controllers": "memory\n"},
}


class Limits:
    """RLIMIT_DATA of a process that is none."""

    def __init__(self, hard_bytes: int = resource.RLIM_INFINITY, *, refuse: bool = False) -> None:
        self.hard_bytes = hard_bytes
        self.refuse = refuse
        self.set_to: int | None = None

    def get(self, _which: int) -> tuple[int, int]:
        """Return soft and hard limit."""
        return resource.RLIM_INFINITY, self.hard_bytes

    def set(self, which: int, limits: tuple[int, int]) -> None:
        """Take new limits."""
        assert which == resource.RLIMIT_DATA
        if self.refuse:
            raise ValueError("not allowed to raise maximum limit")
        self.set_to, hard_bytes = limits
        assert hard_bytes == self.hard_bytes, "only the soft limit: a child may need more"


def _system(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def _python(program: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[3]
    return subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False
    )


def _enforce(
    root: Path, limits: Limits | None = None, budget_bytes: int = BUDGET_BYTES
) -> Enforcement:
    limits = limits or Limits()
    return enforce(budget_bytes, root=root, get_limit=limits.get, set_limit=limits.set)


@pytest.mark.parametrize(
    ("system", "level", "said"),
    [
        (
            "Raspberry Pi OS, as it comes",
            "rlimit",
            "memory controller is off, so `MemoryMax=` has no effect",
        ),
        (
            "Raspberry Pi OS with the memory controller, in its slice",
            "cgroup",
            "memory.high is 48 MiB",
        ),
        (
            "cgroup version 1 beside an empty version 2",
            "cgroup",
            "memory.limit_in_bytes is 48 MiB",
        ),
        ("a container without cgroup files", "rlimit", "there is no /sys/fs/cgroup"),
        ("a container of 512 MiB that is its own root", "rlimit", "memory.max is 512 MiB"),
        ("a Jetson, from a shell", "rlimit", "memory.max sets no limit"),
        ("a Jetson, in its slice", "cgroup", "memory.max is 48 MiB"),
        ("no /proc", "none", "there is no /proc/self/cgroup; /proc does not tell"),
    ],
)
def test_the_level_in_force(tmp_path: Path, system: str, level: str, said: str) -> None:
    """A cgroup near the budget, else a limit of the process, else nothing: each with what was found."""
    limits = Limits()

    found = _enforce(_system(tmp_path, SYSTEMS[system]), limits)

    assert (found.level, said in found.detail) == (level, True), found
    assert (limits.set_to is not None) == (level == "rlimit")


def test_raspberry_pi_os_gets_its_fix(tmp_path: Path) -> None:
    """Two words and a file: what makes the kernel's limits work there; not told where they do, nor on other boards."""
    fixes = {
        name: _enforce(_system(tmp_path / str(number), files)).fix
        for number, (name, files) in enumerate(SYSTEMS.items())
    }

    assert "cgroup_enable=memory psi=1" in RASPBERRY_PI_FIX
    assert [name for name, fix in fixes.items() if fix == RASPBERRY_PI_FIX] == [
        "Raspberry Pi OS, as it comes"
    ]
    assert fixes["Raspberry Pi OS with the memory controller, in its slice"] is None
    assert "MemoryMax=" in (fixes["a Jetson, from a shell"] or "")


def test_the_limit_of_a_process_is_what_it_may_still_add(tmp_path: Path) -> None:
    """30 MiB of data now, 20 MiB resident, 48 MiB allowed: 28 MiB more."""
    limits = Limits()

    found = _enforce(_system(tmp_path, SYSTEMS["a Jetson, from a shell"]), limits)

    assert limits.set_to == found.limit_bytes == (30 + 28) * MIB


def test_a_hard_limit_below_stays(tmp_path: Path) -> None:
    """What an administrator has set is not asked to be raised."""
    limits = Limits(hard_bytes=40 * MIB)

    found = _enforce(_system(tmp_path, SYSTEMS["a Jetson, from a shell"]), limits)

    assert limits.set_to == found.limit_bytes == 40 * MIB


def test_a_limit_that_may_not_be_set(tmp_path: Path) -> None:
    """Then the agent only looks, and says why."""
    found = _enforce(_system(tmp_path, SYSTEMS["a Jetson, from a shell"]), Limits(refuse=True))

    assert found.level == "self"
    assert "RLIMIT_DATA: not allowed to raise maximum limit" in found.detail


def test_a_budget_that_is_used_up_from_the_start(tmp_path: Path) -> None:
    """A limit at what is in use would fail the next allocation: nothing is set."""
    limits = Limits()

    found = _enforce(
        _system(tmp_path, SYSTEMS["a Jetson, from a shell"]), limits, budget_bytes=21 * MIB
    )

    assert (found.level, limits.set_to) == ("self", None)
    assert "20 MiB of 21 MiB are in use from the start" in found.detail


def test_no_budget(tmp_path: Path) -> None:
    """Nothing to enforce is no level to boast of."""
    found = enforce(None, root=tmp_path)

    assert (found.level, found.fix) == ("none", None)


def test_a_real_process_is_held(tmp_path: Path) -> None:
    """On this very machine: memory within the budget is given, a leak ends in MemoryError before the machine suffers."""
    _system(tmp_path, {"proc/self/cgroup": "0::/\n"})
    for name in ("status", "statm"):
        (tmp_path / "proc/self" / name).symlink_to(f"/proc/self/{name}")
    program = f"""
from pathlib import Path
from edge_agent.memory_limit import enforce
print(enforce(64 << 20, root=Path({str(tmp_path)!r})).level)
kept = bytearray(8 << 20)
try:
    bytearray(200 << 20)
except MemoryError:
    print("held")
"""
    done = _python(program)

    assert done.stdout.split() == ["rlimit", "held"], done.stderr


def test_an_agent_that_is_held_ends_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback in the journal, and the exit code of a budget."""

    def leak(_options: object) -> int:
        raise MemoryError

    monkeypatch.setattr("edge_agent.command_line._run", leak)

    assert main(["run", str(tmp_path / "agent.json")]) == 4
    assert capsys.readouterr().err.startswith("error: out of memory\nhint: allow more `memory_mib`")


def test_programs_that_are_started_are_not_held() -> None:
    """The uplink and the user's own programs need what they need, whatever the agent may still add."""
    program = """
import resource, time
from edge_agent.process import Child
none = resource.RLIM_INFINITY
resource.setrlimit(resource.RLIMIT_DATA, (100 << 20, none))
child = Child(["sleep", "60"])
print(resource.prlimit(child.pid, resource.RLIMIT_DATA) == (none, none))
child.kill()
child.wait(5.0)
"""
    done = _python(program)

    assert done.stdout.split() == ["True"], done.stderr
