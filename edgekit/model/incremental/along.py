"""What it means for a tensor to run along time, and for a node to treat all its frames alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]


class Span(NamedTuple):
    """Frames of a window, from `first` up to but without `end`, counted from the window's first."""

    first: int
    end: int

    @property
    def frames(self) -> int:
        """How many they are."""
        return self.end - self.first

    def hull(self, other: Span | None) -> Span:
        """Return the shortest span that holds both."""
        if other is None:
            return self
        return Span(min(self.first, other.first), max(self.end, other.end))

    def holds(self, other: Span) -> bool:
        """Tell whether all of `other` is in it."""
        return self.first <= other.first and other.end <= self.end


class Track(NamedTuple):
    """
    A tensor along whose `axis` time runs: `frames` in a window, one every `step` samples.

    The same frame has the same values in every window that holds it, if it is among the `clean` ones: the others follow
    from what stands beyond the window's edges, where an operator puts zeros.
    """

    axis: int
    frames: int
    step: int
    clean: Span

    @property
    def whole(self) -> Span:
        """All frames of a window."""
        return Span(0, self.frames)


class Reach(NamedTuple):
    """Frame i of the output follows from `extent` frames of the input, from `i * stride + offset` on."""

    stride: int = 1
    offset: int = 0
    extent: int = 1

    def needs(self, span: Span) -> Span:
        """Return the frames of the input that frames of the output follow from."""
        return Span(
            span.first * self.stride + self.offset,
            (span.end - 1) * self.stride + self.offset + self.extent,
        )

    def gives(self, span: Span, frames: int) -> Span:
        """Return the frames of the output, of which there are `frames`, that follow from these of the input alone."""
        first = -((self.offset - span.first) // self.stride)
        end = (span.end - self.extent - self.offset) // self.stride + 1
        return Span(max(first, 0), max(min(end, frames), 0))


EACH: Final = Reach()
"""A frame of the output follows from the same one of the input."""


class Cut(Protocol):
    """A node being made over for some frames of its input instead of a window's."""

    @property
    def frames_in(self) -> int:
        """Frames of each input that runs along time."""
        ...

    @property
    def frames_out(self) -> int:
        """Frames of each output."""
        ...

    def constant(self, values: Array) -> str:
        """Add a constant to the graph; return its name."""
        ...


class Rewrite(Protocol):
    """Makes a node over, in place, so that it computes just the frames it is given."""

    def __call__(self, node: onnx.NodeProto, cut: Cut, /) -> None:
        """Make it over."""
        ...


def as_it_is(node: onnx.NodeProto, cut: Cut, /) -> None:
    """Leave a node alone: it takes any number of frames."""


@dataclass(frozen=True)
class Along:
    """How a node treats all frames alike."""

    axes: tuple[int, ...]
    """The time axis of each output."""
    reach: Reach = EACH
    rewrite: Rewrite = as_it_is
    counts: Reach | None = None
    """The part of `reach` that has any effect, where that is less: what a window function leaves of a frame."""
