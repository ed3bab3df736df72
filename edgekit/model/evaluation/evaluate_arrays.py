"""Evaluate arrays: windows or frames that are in memory already, with their labels; each stands for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_agent.config import Decision
from edgekit.errors import ConfigError, DataError
from edgekit.model.evaluation.agreement import AgreementCount
from edgekit.model.evaluation.evaluate import judging_notes, make_judge
from edgekit.model.evaluation.evaluation import Evaluation
from edgekit.model.evaluation.tally import Tally
from edgekit.model.evaluation.windows import Windows
from edgekit.model.meaning.output_meaning import check_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgekit.model.compile import CompiledModel
    from edgekit.model.graph_spec import GraphSpec, OutputKind

    Array = np.ndarray[Any, Any]
    Floats = NDArray[np.float32]


def evaluate_arrays(compiled: CompiledModel, samples: Any, truth: Any) -> Evaluation:
    """
    Judge a model over arrays, and compare it with the reference.

    Stream form: `samples` is raw windows `[n, window, channels]`. Tensor form: an array `[n, …]`, or one an input by name. `truth` has
    one entry each: a label's name or index (or a number, for values). Raises DataError where shapes or labels do not fit.
    """
    if compiled.spec is not None:
        raw = _windows(samples, compiled.spec)
        ours = np.asarray(compiled.predict(raw), np.float32)
        theirs = compiled.reference().predict(raw)
        kind = compiled.spec.output_kind
        check_labels(compiled.spec, compiled.labels, ours.shape[1])
    else:
        frames = _frames(samples, compiled)
        ours = _only_floats([compiled.predict(frame) for frame in frames])
        theirs = _only_floats(compiled.reference().run(frames))
        kind = "value" if np.asarray(truth).dtype.kind == "f" else "classes"
    return _judge(compiled, kind, ours, theirs, truth)


def _judge(
    compiled: CompiledModel, kind: OutputKind, ours: Floats, theirs: Floats, truth: Any
) -> Evaluation:
    judge = make_judge(kind, compiled.labels, ours.shape[1], (), Decision())
    agreement = AgreementCount(kind, compiled.labels, Decision(), sequence=False)
    tally = Tally(lambda _: theirs, judge, agreement)
    encoded = judge.encode(_names(truth, len(ours), compiled.labels, kind))
    judge.check()
    tally.add(Windows.alone(encoded), ours)
    counts = tally.counts(labelled=True)
    verdict = judge.verdict()
    judging = judging_notes(kind, ours.shape[1], labelled=True)
    return Evaluation(
        kind=kind,
        windows=counts,
        nonfinite=tally.nonfinite,
        agreement=agreement.result(),
        **{**vars(verdict), "notes": (*judging, *verdict.notes)},
    )


def _windows(samples: Any, spec: GraphSpec) -> Floats:
    raw = _numbers(samples).astype(np.float32)
    if raw.ndim != 3 or raw.shape[1:] != (spec.window, spec.channels):  # noqa: PLR2004 (window, time, channel)
        raise DataError(
            f"the windows are {list(raw.shape)}: the model takes [n, {spec.window}, {spec.channels}] (windows, samples, channels)",
            hint="hand over raw samples, time before channel",
        )
    if not len(raw):
        raise DataError("there are no windows")
    return raw


def _frames(samples: Any, compiled: CompiledModel) -> list[dict[str, Array]]:
    inputs = compiled.session().inputs
    given = samples if isinstance(samples, Mapping) else {inputs[0].name: samples}
    if set(given) != {tensor.name for tensor in inputs}:
        raise DataError(
            f"the model takes {', '.join(f'`{tensor.name}`' for tensor in inputs)}, given are {', '.join(f'`{name}`' for name in given)}",
            hint="hand over a dictionary with one array [n, …] for each input",
        )
    stacked = {}
    for tensor in inputs:
        array = _numbers(given[tensor.name]).astype(tensor.dtype)
        if array.ndim == 0 or array[:1].size != np.prod(tensor.shape, dtype=int):
            raise DataError(
                f"`{tensor.name}` is {list(array.shape)}: the model takes {list(tensor.shape)} for each frame"
            )
        stacked[tensor.name] = array.reshape(len(array), *tensor.shape)
    counts = {len(array) for array in stacked.values()}
    if len(counts) != 1:
        raise DataError(
            f"the inputs have different numbers of frames: {', '.join(map(str, sorted(counts)))}"
        )
    return [
        {name: array[index] for name, array in stacked.items()} for index in range(counts.pop())
    ]


def _only_floats(outputs: list[dict[str, Array]]) -> Floats:
    """Return the one float output of each frame as `[n, values]`; labels as integers beside it say nothing new."""
    names = [name for name, array in outputs[0].items() if array.dtype.kind == "f"]
    if len(names) != 1:
        raise ConfigError(
            f"the model has {len(names)} float outputs ({', '.join(outputs[0])}): which one is to be judged is open",
            hint="evaluate with your own code over `predict(X)`",
        )
    return np.stack([frame[names[0]].ravel() for frame in outputs]).astype(np.float32)


def _numbers(samples: Any) -> Array:
    try:
        array = np.asarray(samples)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"the samples cannot be read as an array: {error}",
            hint="all windows must have the same shape",
        ) from error
    if array.dtype.kind not in "biuf":
        raise DataError(f"the samples are {array.dtype} values: must be numbers")
    return array


def _names(truth: Any, count: int, labels: tuple[str, ...], kind: OutputKind) -> list[Any]:
    entries = np.asarray(truth).tolist()
    if not isinstance(entries, list) or any(isinstance(entry, list) for entry in entries):
        raise DataError(
            "the labels are no plain list",
            hint="hand over one label a window, not one-hot rows: `y.argmax(axis=1)`",
        )
    if len(entries) != count:
        raise DataError(f"there are {len(entries)} labels for {count} windows")
    if kind != "classes" or not labels:
        return [str(int(entry)) if isinstance(entry, bool) else entry for entry in entries]
    return [_name(entry, labels) for entry in entries]


def _name(entry: Any, labels: tuple[str, ...]) -> str:
    if not isinstance(entry, int):
        return str(entry)
    if len(labels) == 1:  # one output says yes or no
        labels = (f"not {labels[0]}", labels[0])
    if not 0 <= entry < len(labels):
        raise DataError(
            f"label {entry} is no index of the model's {len(labels)} labels: {', '.join(labels)}"
        )
    return labels[entry]
