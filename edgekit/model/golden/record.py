"""
Golden records: raw samples and what the user's own pipeline makes of them, in one file.

Written where the model was trained (a notebook), read by `edgekit check`. Needs NumPy alone. The file is an `.npz`
without pickles: `format` (1), `raw`, `outputs`, `hop` (0: `raw` is windows), `labels` and `channels` (names; either may
be empty, and `channels` may be missing).
"""

from __future__ import annotations

import io
import operator
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgekit.atomic import write_file
from edgekit.errors import DataError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from numpy.typing import NDArray

FORMAT: Final = 1

# zipfile raises RuntimeError where damaged flags look like encryption or a compression that it does not know.
DAMAGE: Final = (ValueError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error)

FOREIGN: Final = "write it with `edgekit.golden(raw, outputs, path)` where the model was trained"


@dataclass(frozen=True, kw_only=True, eq=False)
class GoldenRecord:
    """Raw samples and the outputs that belong to them, checked."""

    raw: NDArray[np.float32]
    """Windows `[n, window, channels]`, or with a hop one recording `[time, channels]`."""
    outputs: NDArray[np.float32]
    """What the user's pipeline gave for each window: `[n, outputs]`."""
    hop: int | None
    """Samples from one window to the next where `raw` is a recording; None where it is windows."""
    labels: tuple[str, ...]
    """Names of the outputs, in order; empty where they were not given."""
    channels: tuple[str, ...]
    """Names of the channels, in the order of `raw`; empty where they were not given."""

    @classmethod
    def of(
        cls,
        raw: Any,
        outputs: Any,
        *,
        hop: int | None = None,
        labels: Iterable[str] | None = None,
        channels: Iterable[str] | None = None,
    ) -> GoldenRecord:
        """Check arrays, lists or tensors and make a record of them; raise DataError that says which is wrong."""
        values = _array("outputs", outputs)
        if values.dtype.kind in "bui":
            raise DataError(
                f"`outputs` holds {values.dtype} numbers: class numbers or one-hot rows tell too little",
                hint="hand over the float outputs of your pipeline, such as `model.predict_proba(windows)`",
            )
        record = cls(
            raw=_finite("raw", _array("raw", raw)),
            outputs=_finite("outputs", values[:, np.newaxis] if values.ndim == 1 else values),
            hop=_whole("hop", hop),
            labels=_names("labels", labels),
            channels=_names("channels", channels),
        )
        record._check_shapes()
        return record

    def _check_shapes(self) -> None:
        raw, outputs = self.raw, self.outputs
        if outputs.ndim != 2 or 0 in outputs.shape:  # noqa: PLR2004 (two axes: window and output)
            raise DataError(
                f"`outputs` is {_shape(outputs)}: must be [windows, outputs], neither of them 0"
            )
        if 0 in raw.shape:
            raise DataError(f"`raw` is {_shape(raw)}: it has no samples")
        if self.labels and len(self.labels) != outputs.shape[1]:
            raise DataError(f"`labels` has {len(self.labels)} names for {outputs.shape[1]} outputs")
        if self.channels and len(self.channels) != raw.shape[-1]:
            raise DataError(
                f"`channels` has {len(self.channels)} names for {raw.shape[-1]} channels of `raw`"
            )
        if self.hop is None:
            self._check_windows()
        elif self.hop < 1:
            raise DataError(f"`hop` is {self.hop}: must be at least 1")
        elif raw.ndim != 2:  # noqa: PLR2004 (two axes: time and channel)
            raise DataError(
                f"`raw` is {_shape(raw)}: with `hop` it must be one recording [time, channels]",
                hint="leave `hop` away to hand over windows [windows, window, channels]",
            )

    def _check_windows(self) -> None:
        if self.raw.ndim == 2:  # noqa: PLR2004 (two axes: time and channel)
            raise DataError(
                f"`raw` is {_shape(self.raw)}: one recording [time, channels] needs `hop`",
                hint="add `hop=`: how many samples lie between the starts of two windows",
            )
        if self.raw.ndim != 3:  # noqa: PLR2004 (three axes: window, time, channel)
            raise DataError(f"`raw` is {_shape(self.raw)}: must be [windows, window, channels]")
        if len(self.raw) != len(self.outputs):
            raise DataError(
                f"`raw` has {len(self.raw)} windows and `outputs` {len(self.outputs)}: must be as many"
            )

    def windows(self, window: int, channels: int) -> NDArray[np.float32]:
        """Return the raw windows `[n, window, channels]`; raise DataError where they do not fit a model of this size."""
        if self.raw.shape[-1] != channels or (self.hop is None and self.raw.shape[1] != window):
            raise DataError(
                f"the golden record's `raw` is {_shape(self.raw)}; the model takes windows of {window} samples of {channels} channels",
                hint=self._fit(window, channels),
            )
        if self.hop is None:
            return self.raw
        count = max(0, (len(self.raw) - window) // self.hop + 1)
        if count != len(self.outputs):
            raise DataError(
                f"the golden record has {len(self.outputs)} outputs; "
                f"{len(self.raw)} samples make {count} windows of {window} with hop {self.hop}",
                hint="write one output for each full window, the first window starting at the first sample",
            )
        starts = np.arange(count)[:, np.newaxis] * self.hop
        cut: NDArray[np.float32] = self.raw[starts + np.arange(window)]
        return cut

    def _fit(self, window: int, channels: int) -> str:
        if self.raw.shape[-2:] == (channels, window) or (
            self.hop is not None and self.raw.shape[0] == channels
        ):
            return "time and channel are swapped: write it again with `raw.swapaxes(-1, -2)`"
        return "write it again with the raw samples that edgekit.toml describes: `[input] window` and `channels`"

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the file whole or not at all."""
        data = io.BytesIO()
        np.savez_compressed(
            data,
            format=np.int64(FORMAT),
            raw=self.raw,
            outputs=self.outputs,
            hop=np.int64(self.hop or 0),
            labels=np.array(self.labels, dtype=np.str_),
            channels=np.array(self.channels, dtype=np.str_),
        )
        write_file(Path(path), data.getvalue())

    @classmethod
    def load(cls, path: Path) -> GoldenRecord:
        """Read and check a file; raise DataError where it is missing, damaged or something else."""
        try:
            members = _members(path)
        except OSError as error:
            raise DataError(
                f"cannot read the golden record `{path}`: {error.strerror or error}", hint=FOREIGN
            ) from None
        except DAMAGE as error:
            raise DataError(
                f"`{path}` is no golden record, or damaged: {error}", hint=FOREIGN
            ) from error
        missing = [
            name for name in ("format", "raw", "outputs", "hop", "labels") if name not in members
        ]
        if missing:
            raise DataError(f"`{path}` is no golden record: it has no `{missing[0]}`", hint=FOREIGN)
        if members["format"].shape != () or members["format"] != FORMAT:
            raise DataError(
                f"`{path}` has format {members['format']}; this EdgeKit reads format {FORMAT}",
                hint="write it again with `edgekit.golden` of this version",
            )
        if members["hop"].shape != () or members["hop"].dtype.kind not in "iu":
            raise DataError(f"`{path}` is damaged: `hop` is {members['hop']}", hint=FOREIGN)
        try:
            return cls.of(
                members["raw"],
                members["outputs"],
                hop=int(members["hop"]) or None,
                labels=members["labels"].ravel().tolist(),
                channels=members["channels"].ravel().tolist() if "channels" in members else None,
            )
        except DataError as error:
            raise DataError(f"`{path}`: {error.message}", hint=error.hint) from error


def _members(path: Path) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file:
        loaded = np.load(file, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise ValueError("one array where several are due")  # noqa: TRY004 (joins the other ways to be foreign)
        with loaded:
            return {name: loaded[name] for name in loaded.files}


def _names(name: str, names: Iterable[str] | None) -> tuple[str, ...]:
    if isinstance(names, str):
        raise DataError(f"`{name}` is the text `{names}`: must be a list of names")
    if names is None:
        return ()
    try:
        listed = [] if isinstance(names, set | frozenset | bytes) else [*names]
    except TypeError:  # a number, or an array without axes
        listed = []
    if not listed and not (isinstance(names, np.ndarray | list | tuple) and np.size(names) == 0):
        raise DataError(f"`{name}` is {names!r}: must be a list of names, in order")
    return tuple(map(str, listed))


def _whole(name: str, value: Any) -> int | None:
    if value is None:
        return None
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):  # True is a 1 to Python
        raise DataError(f"`{name}` is {value!r}: must be a whole number of samples")
    return number


def _array(name: str, value: Any) -> NDArray[Any]:
    if np.ma.isMaskedArray(value):
        raise DataError(
            f"`{name}` is a masked array: what is masked would count as samples",
            hint="leave out the windows that have masked values, and hand over `.data` of the rest",
        )
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        # torch raises TypeError for a tensor on a GPU and RuntimeError for one that tracks gradients.
        raise DataError(
            f"`{name}` cannot be read as an array: {error}",
            hint="rows must be equally long; of a torch tensor hand over `.detach().cpu().numpy()`",
        ) from error
    if array.dtype.kind not in "biuf":
        raise DataError(f"`{name}` holds {array.dtype} values: must be numbers")
    return array


def _finite(name: str, array: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # too large for float32 is found right below
        numbers = array.astype(np.float32)
    bad = ~np.isfinite(numbers)
    if bad.any():
        where = ", ".join(map(str, np.argwhere(bad)[0]))
        raise DataError(
            f"`{name}` has {int(bad.sum())} values that are no float32 numbers, the first at [{where}]"
        )
    return numbers


def _shape(array: NDArray[Any]) -> str:
    return f"[{', '.join(map(str, array.shape))}]"
