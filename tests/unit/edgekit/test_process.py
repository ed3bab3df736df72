"""Starting programs: what they print comes back, and nothing of them is left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from edgekit.errors import ToolError
from edgekit.process import Command, Running, follow, replace, run


def test_a_command_prints_as_a_line_to_paste() -> None:
    """Folder, variables and arguments are quoted as a shell wants them."""
    command = Command(("cargo", "build", "a b"), env={"FLAGS": "-C x"}, cwd=Path("/tmp/my folder"))

    assert str(command) == "cd '/tmp/my folder' && FLAGS='-C x' cargo build 'a b'"


def test_run_returns_what_was_printed(tmp_path: Path) -> None:
    """Standard input goes in; both outputs, the exit code, the folder and the environment come back."""
    script = "import os, sys; print(os.getcwd(), os.environ['WORD'], input()); sys.exit(3)"
    command = Command((sys.executable, "-c", script), env={"WORD": "hello"}, cwd=tmp_path)

    finished = run(command, stdin=b"there\n")

    assert finished.stdout == f"{tmp_path} hello there\n"
    assert (finished.returncode, finished.timed_out) == (3, False)


def test_a_missing_program_is_a_sentence() -> None:
    """The error names the program and says how to get it."""
    with pytest.raises(ToolError, match="`no-such-program-here` is not on PATH") as caught:
        run(Command(("no-such-program-here",)), hint="apt install it")

    assert caught.value.hint == "apt install it"


def test_a_program_that_does_not_start_is_a_sentence(tmp_path: Path) -> None:
    """A file that is executable but no program is a ToolError, not an OSError."""
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o755)

    with pytest.raises(ToolError, match="cannot start"):
        run(Command((str(broken),)))


def test_a_timeout_kills_the_whole_group(tmp_path: Path) -> None:
    """A grandchild of a command that takes too long is gone as well."""
    note = tmp_path / "pid"
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    started = time.monotonic()

    finished = run(Command((sys.executable, "-c", script)), timeout_s=2.0)

    assert finished.timed_out
    assert time.monotonic() - started < 30
    assert _is_gone(int(note.read_text()))


def test_ctrl_c_kills_the_command(tmp_path: Path) -> None:
    """An interrupt while waiting ends the child before it goes on."""
    note = tmp_path / "pid"
    script = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    threading.Timer(1.5, os.kill, [os.getpid(), signal.SIGINT]).start()

    with pytest.raises(KeyboardInterrupt):
        run(Command((sys.executable, "-c", script)))

    assert _is_gone(int(note.read_text()))


def test_leaving_the_block_ends_what_still_runs() -> None:
    """Two commands side by side: an error in one does not leave the other behind."""
    with Running(Command((sys.executable, "-c", "import time; time.sleep(60)"))) as running:
        running.kill()
        finished = running.wait()

    assert finished.returncode == -signal.SIGKILL


def test_replace_becomes_the_program(tmp_path: Path) -> None:
    """The process keeps its id: there is no parent that waits."""
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from edgekit.process import Command, replace\n"
        "print(os.getpid())\n"
        "inner = 'import os; print(os.getpid(), os.environ[\"WORD\"], os.getcwd())'\n"
        f"replace(Command((sys.executable, '-c', inner), env={{'WORD': 'hi'}}, cwd=Path({str(tmp_path)!r})))"
    )
    finished = run(
        Command((sys.executable, "-c", script), env={"PYTHONPATH": os.pathsep.join(sys.path)})
    )

    before, after = finished.stdout.splitlines()
    assert after == f"{before} hi {tmp_path}"


def test_replace_without_standard_output(tmp_path: Path) -> None:
    """A closed output has nothing to flush."""
    script = (
        "import sys\n"
        "from edgekit.process import Command, replace\n"
        "sys.stdout = None\n"
        "replace(Command((sys.executable, '-c', 'open(\"ran\", \"w\").close()')))"
    )
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    finished = run(Command((sys.executable, "-c", script), env=environment, cwd=tmp_path))

    assert (finished.returncode, finished.stderr) == (0, "")
    assert (tmp_path / "ran").exists()


def test_replace_by_a_missing_program_is_a_sentence() -> None:
    """What cannot be started is said before anything is given up."""
    with pytest.raises(ToolError, match="`no-such-program-here`"):
        replace(Command(("no-such-program-here",)))


def _is_gone(pid: int) -> bool:
    """Tell whether a process has ended, waiting a moment for init to collect it."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_lines_come_as_they_are_printed() -> None:
    """Of both streams, in order, before the program has ended."""
    script = (
        "import sys, time\n"
        "print('first', flush=True)\n"
        "print('sécond', file=sys.stderr, flush=True)\n"
        "input() if sys.stdin.read() else print('no input', flush=True)\n"
        "time.sleep(0.2)\n"
        "sys.exit(3)"
    )
    with Running(Command((sys.executable, "-c", script)), one_stream=True) as running:
        process = Path(f"/proc/{running._process.pid}")
        seen = [(line, process.exists()) for line in running.lines()]
        finished = running.wait()

    assert seen == [("first", True), ("sécond", True), ("no input", True)]
    assert finished.returncode == 3


def test_an_error_while_following_ends_the_program(tmp_path: Path) -> None:
    """Whoever reads the lines may stop: nothing goes on behind its back."""
    note = tmp_path / "pid"
    script = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); print('x', flush=True); time.sleep(60)"

    def stop(_line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(Command((sys.executable, "-c", script)), stop)

    assert _is_gone(int(note.read_text()))


def test_a_command_with_control_characters_is_shown_for_bash() -> None:
    """They reach no terminal, and bash reads them as they were."""
    command = Command(("printf", "%s", "a\x1fb'c\\d\n"), env={"FLAGS": "-C\x1fx y"})

    shown = str(command)

    assert shown.isprintable()
    assert run(Command(("bash", "-c", shown))).stdout == "a\x1fb'c\\d\n"


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
def test_a_killed_edgekit_takes_the_command_along(tmp_path: Path) -> None:
    """SIGKILL gives nobody a chance to clear up: what was followed, and what that started, ends; the cleanup is run."""
    note, cleaned = tmp_path / "pids", tmp_path / "cleaned up"
    inner = (
        "import os, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        f"open({str(note)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "print('on', flush=True)\n"
        "time.sleep(60)"
    )
    script = (
        "import os, signal, sys\n"
        "from edgekit.process import Command, follow\n"
        f"cleanup = [Command(('touch', {str(cleaned)!r}))]\n"
        "kill = lambda line: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"follow(Command((sys.executable, '-c', {inner!r})), kill, cleanup=cleanup)"
    )
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}

    finished = run(Command((sys.executable, "-c", script), env=environment))

    assert finished.returncode == -signal.SIGKILL
    assert all(map(_is_gone, map(int, note.read_text().split())))
    assert cleaned.exists()


@pytest.mark.parametrize(
    ("end", "code"), [("sys.exit(7)", 7), ("os.abort()", 128 + signal.SIGABRT)]
)
def test_how_a_followed_command_ended(end: str, code: int) -> None:
    """Its own exit code, and a shell's number for a signal."""
    script = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); {end}"

    finished = follow(Command((sys.executable, "-c", script)), lambda _: None)

    assert finished.returncode == code


def test_a_followed_program_that_is_missing() -> None:
    """Said of the program itself, not of what would have run it."""
    with pytest.raises(ToolError, match="`no-such-program-here` is not on PATH") as caught:
        follow(Command(("no-such-program-here",)), lambda _: None, hint="apt install it")

    assert caught.value.hint == "apt install it"
