"""The Arduino sketch's own frames, compiled for this machine, through the agent's own decoder."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from edge_agent.config.frame import frame_struct
from edge_agent.sources.framing.checksum import crc32
from edge_agent.sources.framing.cobs import CobsDecoder
from edge_agent.testing import encode_cobs

SKETCH = Path(__file__).parents[2] / "examples/arduino/cobs_sender"
pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")

ENCODE = """
#include "cobs_frame.h"
#include <stdio.h>
int main(int, char **arguments) {
  const size_t count = (size_t)strtoul(arguments[1], nullptr, 10);
  uint8_t payload[256], frame[256 + FRAME_OVERHEAD];
  while (fread(payload, 1, count, stdin) == count) {
    fwrite(frame, 1, cobs_frame(payload, count, frame), stdout);
  }
  return 0;
}
"""

BOARD = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
const int A0 = 0, A1 = 1, A2 = 2;
unsigned long now_us = 0;
int reading = 0;
unsigned long micros() { return now_us += 1000; }
int analogRead(int pin) { return pin == 0 ? reading++ : -pin * reading; }
struct Port {
  unsigned long baud = 0;
  void begin(unsigned long speed) { baud = speed; }
  void write(const uint8_t *bytes, size_t count) { fwrite(bytes, 1, count, stdout); }
} Serial;
#include "cobs_sender.ino"
int main() {
  setup();
  if (Serial.baud != 115200) return 1;
  while (reading < 500) loop();
  return now_us / 500 < 9000 || now_us / 500 > 11000;
}
"""


def build(folder: Path, code: str) -> Path:
    """Compile a program with the sketch beside it, as strictly as may be."""
    source = folder / "program.cpp"
    source.write_text(code)
    program = folder / "program"
    subprocess.run(
        [
            *("g++", "-std=c++11", "-Wall", "-Wextra", "-Werror", "-include", "cstdlib"),
            *(f"-I{SKETCH}", "-fsanitize=address,undefined", str(source), "-o", str(program)),
        ],
        check=True,
    )
    return program


@pytest.mark.parametrize("size", [1, 6, 24, 250])
def test_frames_of_any_bytes(tmp_path: Path, size: int) -> None:
    """The encoder on the board and the one in the tests write the same bytes."""
    payloads = [random.Random(size).randbytes(size) for _ in range(50)]
    payloads += [bytes(size), b"\xff" * size]
    program = build(tmp_path, ENCODE)
    frames = subprocess.run(
        [str(program), str(size)], input=b"".join(payloads), stdout=subprocess.PIPE, check=True
    ).stdout

    assert frames == b"".join(encode_cobs(payload + crc32(payload)) for payload in payloads)


def test_the_sketch_itself(tmp_path: Path) -> None:
    """Five hundred turns of `loop`, at a hundred a second of the board's clock: every sample arrives."""
    frames = subprocess.run(
        [str(build(tmp_path, BOARD))], stdout=subprocess.PIPE, check=True
    ).stdout
    decoder = CobsDecoder(frame_struct("<3h"), "crc32")
    values = [value for run in decoder.feed(frames) for value in run.values]

    assert decoder.frames == 500
    assert decoder.skipped_bytes == 0
    samples = list(struct.iter_unpack("<3d", struct.pack(f"<{len(values)}d", *values)))
    assert samples == [(float(i), float(-i - 1), float(-2 * (i + 1))) for i in range(500)]
