"""
A disk that loses what was not synced, for tests: every call is a point at which the power can fail.

What a file system may do is taken from ext4 with `data=ordered` and from what is worse: names appear in the order in which
they were made, up to any of them; of content that was not synced any page may be there or not, and the size may be
anything from the synced one to the newest.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from random import Random

PAGE_BYTES = 64
"""Smaller than a real page, so that small tests tear often."""
Fate = Literal["lost", "kept", "torn"]


class PowerCutError(BaseException):
    """The power has failed; nothing may catch it."""


@dataclass(slots=True)
class _File:
    content: bytearray = field(default_factory=bytearray)
    """As processes see it."""
    durable: bytes = b""
    """As it was at the last sync."""


class SimulatedDisk:
    """
    One folder on a disk that can be cut off, be full, and fail.

    `cut_at`: the number of the call at which the power fails, in the middle of it where it has one.
    """

    def __init__(self, *, cut_at: int = -1, capacity_bytes: int = 1 << 40) -> None:
        self.calls = 0
        """Calls that change something, so far."""
        self.cut_at = cut_at
        self.capacity_bytes = capacity_bytes
        self.claimed_bytes: int | None = None
        """Free space as it is told, where that is not the truth: between telling and writing others write."""
        self.fail: dict[str, list[int]] = {}
        """Numbers of errors that the next calls of a method end with; 0 for none."""
        self.written_bytes = 0
        self._names: dict[str, _File] = {}
        self._durable_names: dict[str, _File] = {}
        self._changes: list[tuple[str, _File | None]] = []
        """Of names, since the last sync of the folder, in order."""
        self._open: dict[int, _File] = {}
        self._next = 3

    def names(self) -> list[str]:
        """Return the names of the files."""
        return list(self._names)

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""
        return len(self._found(name).content)

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
        """Return `size` bytes from `offset`."""
        content = self._found(name).content
        return bytes(content[offset:] if size < 0 else content[offset : offset + size])

    def create(self, name: str) -> int:
        """Make a new file to append to."""
        self._call("create")
        if name in self._names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
        self._set(name, _File())
        self._next += 1
        self._open[self._next] = self._names[name]
        return self._next

    def write(self, descriptor: int, data: bytes) -> int:
        """Append; at the cut, half of it."""
        file = self._open[descriptor]
        free = self._left_bytes()
        if self.calls == self.cut_at:
            file.content += data[: len(data) // 2]
        self._call("write")
        if free <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        file.content += data[:free]
        self.written_bytes += min(free, len(data))
        return min(free, len(data))

    def sync(self, descriptor: int) -> None:
        """Make the content of a file durable."""
        self._call("sync")
        file = self._open[descriptor]
        file.durable = bytes(file.content)

    def close(self, descriptor: int) -> None:
        """Give the descriptor back."""
        del self._open[descriptor]

    def truncate(self, name: str, size: int) -> None:
        """Cut a file off at `size`, durably."""
        self._call("truncate")
        file = self._found(name)
        del file.content[size:]
        file.durable = bytes(file.content)

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, in one step."""
        self._call("rename")
        file = self._found(old)
        del self._names[old]
        self._names[new] = file
        # one change of the journal: both names or neither
        self._changes += [(new, file), (f"-{old}", None)]

    def unlink(self, name: str) -> None:
        """Remove a file."""
        self._call("unlink")
        self._found(name)
        self._set(name, None)

    def sync_folder(self) -> None:
        """Make all names durable."""
        self._call("sync_folder")
        self._durable_names = dict(self._names)
        self._changes.clear()

    def free_bytes(self) -> int:
        """Return what is told of the free space."""
        return self._left_bytes() if self.claimed_bytes is None else self.claimed_bytes

    def _left_bytes(self) -> int:
        return self.capacity_bytes - sum(len(file.content) for file in self._names.values())

    def after_power_cut(self, random: Random, fate: Fate) -> SimulatedDisk:
        """Return what stands on the disk when the power is back."""
        left = SimulatedDisk(capacity_bytes=self.capacity_bytes)
        names = dict(self._durable_names)
        count = {"lost": 0, "kept": len(self._changes)}.get(
            fate, random.randint(0, len(self._changes))
        )
        changes = self._changes[:count]
        # the second half of a rename is never apart from the first
        changes += self._changes[count : count + 1] if self._is_half(count) else []
        for name, file in changes:
            if file is None:
                names.pop(name.removeprefix("-"), None)
            else:
                names[name] = file
        for name, file in names.items():
            content = bytearray(_remains(file, random, fate))
            left._names[name] = _File(content, bytes(content))
        left._durable_names = dict(left._names)
        return left

    def _is_half(self, count: int) -> bool:
        return count < len(self._changes) and self._changes[count][0].startswith("-")

    def _found(self, name: str) -> _File:
        if name not in self._names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return self._names[name]

    def _set(self, name: str, file: _File | None) -> None:
        if file is None:
            del self._names[name]
        else:
            self._names[name] = file
        self._changes.append((name, file))

    def _call(self, method: str) -> None:
        if self.calls == self.cut_at:
            raise PowerCutError
        self.calls += 1
        errors = self.fail.get(method)
        number = errors.pop(0) if errors else 0
        if number:
            raise OSError(number, os.strerror(number))


def _remains(file: _File, random: Random, fate: Fate) -> bytes:
    """Return the content of a file after the power cut."""
    if fate == "lost":
        return file.durable
    if fate == "kept":
        return bytes(file.content)
    shortest, longest = sorted((len(file.durable), len(file.content)))
    size = random.randint(shortest, longest)
    remains = bytearray(file.durable[:size].ljust(size, b"\0"))
    for start in range(0, size, PAGE_BYTES):
        if random.random() < 0.5:  # noqa: PLR2004 (as likely as not)
            remains[start : start + PAGE_BYTES] = file.content[
                start : min(size, start + PAGE_BYTES)
            ]
    return bytes(remains)
