"""Bytes as they come, cut into lines of text."""

from __future__ import annotations

import codecs

LINE_LIMIT_BYTES = 1 << 20
"""A line that is longer is no row of samples; it is skipped so that it cannot fill the memory."""


class LineSplitter:
    """
    Cuts chunks of bytes into lines; a line may arrive in any number of chunks.

    Lines end with LF, CRLF or CR. Text is UTF-8 with or without a byte order mark; bytes that are no
    UTF-8 become U+FFFD, so that they spoil the field that they stand in and nothing else.
    """

    def __init__(self) -> None:
        self._tail = bytearray()
        self._skipping = False
        self._first = True

    def split(self, chunk: bytes) -> list[str | None]:
        """Return the lines that `chunk` completes; None stands for one over the limit."""
        # A CR at the very end may be half of a CRLF: it ends its line when the next byte is known.
        cut = max(chunk.rfind(b"\n"), chunk.rfind(b"\r", 0, -1)) + 1
        if self._tail.endswith(b"\r") and not cut and chunk:
            return self._take(b"") + self.split(chunk)
        if not cut:
            self._keep(chunk)
            return []
        lines = self._take(chunk[:cut])
        self._keep(chunk[cut:])
        return lines

    def finish(self) -> list[str | None]:
        """Return the last line if it had no line end."""
        return self._take(b"\n") if self._tail or self._skipping else []

    def _keep(self, rest: bytes) -> None:
        if not self._skipping:
            self._tail += rest
        if len(self._tail) > LINE_LIMIT_BYTES:
            self._skipping = True
            self._tail.clear()

    def _take(self, complete: bytes) -> list[str | None]:
        whole = bytes(self._tail) + complete
        self._tail.clear()
        if self._first and whole:
            whole = whole.removeprefix(codecs.BOM_UTF8)
            self._first = False
        text = whole.decode("utf-8", "replace")
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        lines: list[str | None] = list(text.split("\n"))
        lines.pop()  # behind the last line end there is nothing
        if self._skipping:
            lines[0] = None
            self._skipping = False
        if len(whole) > LINE_LIMIT_BYTES:
            lines = [None if line and len(line) > LINE_LIMIT_BYTES else line for line in lines]
        return lines
