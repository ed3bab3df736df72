"""Children forked from a server: one that is fit for the environment, and none that stay behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.errors import ToolError
from edgekit.model import forked
from edgekit.model.fork_server import ALIVE
from edgekit.model.forked import Forked

ROOT = Path(__file__).parents[4]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a job that there is not, which ends at once."""
    folder = tmp_path / "job"
    folder.mkdir()
    limits = {"memory_bytes": 1 << 31, "cpu_s": 60, "file_bytes": 1 << 20}
    job = {"kind": "no such kind", "limits": limits, "parameters": {}}
    (folder / "job.json").write_text(json.dumps(job))
    return folder


def _result(folder: Path) -> dict[str, dict[str, str]]:
    with Forked(folder) as child:
        finished = child.wait(timeout_s=60.0)
    (folder / ALIVE).unlink()
    assert not finished.timed_out
    result: dict[str, dict[str, str]] = json.loads((folder / "result.json").read_text())
    return result


def test_one_server_serves_many(folder: Path) -> None:
    """What it imported is not imported again."""
    _result(folder)
    first = forked._servers[0]

    assert _result(folder)["error"]["kind"] == "other"
    assert forked._servers == [first]


def test_another_environment_is_another_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Children see the variables of the moment at which they are started."""
    _result(folder)
    first = forked._servers[0]
    monkeypatch.setenv("EDGEKIT_TEST", "1")

    _result(folder)

    assert forked._servers[0] is not first
    assert first._running._process.poll() is not None


def test_a_server_that_was_killed_is_a_sentence_and_is_replaced(folder: Path) -> None:
    """The kernel may choose it when memory runs out."""
    _result(folder)
    process = forked._servers[0]._running._process
    process.send_signal(signal.SIGKILL)
    process.wait()

    with pytest.raises(ToolError, match="the process that starts children ended"):
        Forked(folder)
    (folder / ALIVE).unlink()

    assert _result(folder)["error"]["kind"] == "other"


def test_the_server_of_a_parent_is_not_used(folder: Path) -> None:
    """A process that was forked with it would take the other's answers."""
    code = (
        "import os, sys; from pathlib import Path; from edgekit.model import forked\n"
        "def run(folder):\n"
        "    with forked.Forked(folder) as child: return child.wait(timeout_s=60.0).returncode\n"
        "folder = Path(sys.argv[1]); assert run(folder) == 0; (folder / 'alive').unlink()\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(run(folder))\n"
        "assert os.waitpid(child, 0)[1] == 0; (folder / 'alive').unlink()\n"
        "assert run(folder) == 0"
    )
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))

    subprocess.run(
        [sys.executable, "-c", code, folder],
        env={**os.environ, "PYTHONPATH": search},
        check=True,
        timeout=120,
    )


def test_the_network_is_gone_where_the_system_lets_it(tmp_path: Path) -> None:
    """A job that could open a connection could send what it read."""
    code = (
        "from edgekit.model import worker; worker._leave_network()\n"
        "print(open('/proc/self/net/dev').read().count(':'))"
    )
    allowed = subprocess.run(["unshare", "-Un", "true"], capture_output=True, check=False)
    if allowed.returncode != 0:
        pytest.skip("this system allows no namespace to an ordinary user")
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))

    seen = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": search},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )

    assert seen.stdout.strip() == "1"  # the loopback, which is down
