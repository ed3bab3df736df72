"""State that a reference's runs hand on, frame by frame, as the engine does by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    Array = np.ndarray[Any, Any]

FILE = "state.npz"
"""The state after the last frame, `state_<input>`; among a job's inputs: the one before the first."""


class CarriedState:
    """
    The state inputs of one model: zero at first, then what the run before gave back.

    `pairs`: input and output of each; `zeros`: its value at the start, by input. `resets`: frames before which it is zero
    again; None: all of them.
    """

    def __init__(
        self,
        pairs: Sequence[list[str]],
        zeros: Mapping[str, Array],
        resets: Collection[int] | None,
        start: Mapping[str, Array],
    ) -> None:
        self._backs = dict(pairs)
        self._zeros = {given: zeros[given] for given in self._backs}
        self._resets = resets
        self._now: dict[str, Array] = {**self._zeros, **start}

    @property
    def outputs(self) -> list[str]:
        """The outputs that give it back."""
        return list(self._backs.values())

    def before(self, frame: int) -> dict[str, Array]:
        """Return the state inputs for a frame."""
        if self._resets is None or frame in self._resets:
            self.reset()
        return self._now

    def after(self, outputs: Mapping[str, Array]) -> None:
        """Take what a run gave back."""
        self._now = {given: np.asarray(outputs[back]) for given, back in self._backs.items()}

    def reset(self) -> None:
        """Forget it, as after a run that failed."""
        self._now = dict(self._zeros)

    def write(self, folder: Path) -> None:
        """Leave the last state for whoever goes on from it."""
        arrays = {f"state_{name}": array for name, array in self._now.items()}
        np.savez(folder / FILE, allow_pickle=False, **arrays)


def split(inputs: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return a job's frames and its first state, both by the model's own names."""
    frames = {
        name.removeprefix("input_"): array
        for name, array in inputs.items()
        if name.startswith("input_")
    }
    start = {
        name.removeprefix("state_"): array
        for name, array in inputs.items()
        if name.startswith("state_")
    }
    return frames, start
