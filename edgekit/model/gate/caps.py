"""How large a model may be: far above what the boards that EdgeKit builds for can hold, far below what harms the host."""

from __future__ import annotations

from typing import Final

_MIB: Final = 1 << 20

LARGEST_BYTES: Final = 512 * _MIB
"""Of the file and of its external data; protocol buffers end at 2 GiB."""

MOST_PARSED_BYTES: Final = 2048 * _MIB
"""What parsing may take in memory: two bytes of a file can become a message of 150."""

MOST_PARTS: Final = 2_000_000
"""Messages and texts in a file; the node of a tree in a large forest is one."""

MOST_LEVELS: Final = 96
"""Messages inside one another; parsers end at 100."""

MOST_ELEMENTS: Final = 1 << 28
"""Numbers in all constant tensors together."""

MOST_AXES: Final = 8
"""Of a tensor; ONNX's own operators are tested with up to 8."""

MOST_ENDS: Final = 256
"""Inputs, and outputs; each is drawn, run and compared in the proof."""

MOST_NODES: Final = 65_536
"""With functions written out; an LSTM unrolled over 1,000 steps has a third of that."""

LONGEST_CHAIN: Final = 16_384
"""Nodes one behind the other: engines follow them by recursion."""

MOST_NESTED: Final = 8
"""Graphs inside one another, as the branches of an If."""

MOST_CALLS: Final = 32
"""Functions that call one another; PyTorch writes one for each module inside another."""

LONGEST_NAME: Final = 1024
"""Characters; names go into messages and into file names of the engine's archive."""

LARGEST_TENSOR_BYTES: Final = 512 * _MIB
"""One tensor that is computed."""

MOST_COMPUTED_BYTES: Final = 8192 * _MIB
"""All tensors that are computed in one run, though they are never all there at once."""
