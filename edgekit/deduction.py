"""
From what a model and a recording tell to the values of a new edgekit.toml.

Pure: nothing is read and nothing asked. What cannot be told is left to fill in, what can only be guessed says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekit.errors import ConfigError
from edgekit.model.features.suggestion import bands_among
from edgekit.proposal import Entry, Proposal
from edgekit.survey import rate_in_name
from edgekit.truth_column import truth_entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekit.model.outline import Outline
    from edgekit.survey import Survey


def propose(
    name: str,
    *,
    model: Outline | None,
    model_name: str | None,
    data: Survey | None,
    data_name: str | None,
) -> Proposal:
    """Put together what a model (or None) and a recording (or None) tell."""
    kind = _kind(model, data)
    entries = [
        Entry(section="project", key="name", value=name, origin=""),
        Entry(section="project", key="version", value="0.1.0", origin=""),
        Entry(
            section="model",
            key="path",
            value=model_name,
            origin="" if model_name else "your ONNX file, in this folder",
            example="model.onnx",
        ),
    ]
    if kind.value == "classes":
        entries += _labels(model, data, data_name)
    if model is not None and model.axes is None:
        origin = f"{model.input_shape} is no stream of samples"
        entries.append(Entry(section="input", key="kind", value="tensor", origin=origin))
        return Proposal(entries=(*entries, *_output(kind, model)))
    entries += _stream(model, data, data_name)
    entries += _output(kind, model)
    if data is not None:
        channels = next(entry.value for entry in entries if entry.dotted == "input.channels")
        entries += truth_entries(data, data_name, kind.value, channels)
    entries += _running(data_name, kind.value)
    return Proposal(entries=tuple(entries))


def _kind(model: Outline | None, data: Survey | None) -> Entry:
    def entry(value: str, origin: str, *, guessed: bool = False) -> Entry:
        return Entry(section="output", key="kind", value=value, origin=origin, guessed=guessed)

    if model is not None and model.axes is None and not model.labels:
        return entry("raw", "named tensors are handed over as they are")
    if model is not None and model.reconstructs:
        return entry("anomaly", "the output has the input's shape", guessed=True)
    if model is not None and model.ending.regression:
        return entry("value", model.ending.said)
    if data is not None and data.values:
        return entry("value", f"column `{data.columns.label}` holds measured values")
    if model is not None and model.outputs == 1 and not (data is not None and data.labels):
        return entry("value", "the model has one output", guessed=True)
    return entry("classes", "one score a label")


def _labels(model: Outline | None, data: Survey | None, data_name: str | None) -> Iterator[Entry]:
    count = model.outputs if model is not None else None
    found = list(data.labels) if data is not None else []
    numbered = all(label.isdecimal() for label in model.labels) if model is not None else False
    if model is not None and model.labels and not (numbered and _are_words(found, count)):
        yield Entry(
            section="model",
            key="labels",
            value=list(model.labels),
            origin=f"from {model.labels_from}",
        )
    elif found and count in (None, len(found)):
        origin = f"the labels in {data_name}, sorted; the order must be that of the model's outputs"
        yield Entry(section="model", key="labels", value=found, origin=origin, guessed=True)
    else:
        number = f"{count} " if count else ""
        origin = f"names of the model's {number}outputs, in order"
        origin += f" ({data_name} has {len(found)} labels)" if found else ""
        yield Entry(
            section="model",
            key="labels",
            value=None,
            origin=origin,
            needed=bool(found),
            example=found or ["one", "two"],
        )


def _are_words(labels: list[str], count: int | None) -> bool:
    """Whether a recording has names for the classes that a model only numbers."""
    return len(labels) == count and not any(label.isdecimal() for label in labels)


@dataclass(frozen=True)
class _Fit:
    """How the model's axes are taken; None: not to be seen."""

    channels: int | None = None
    window: int | None = None
    sure: bool = False
    layout_open: bool = False


def _fit(axes: tuple[int | None, ...], columns: int | None) -> _Fit:
    """Find time and channels among the axes of an input, with the number of columns where there is a recording."""
    if len(axes) == 1:
        return _fit_flat(axes[0], columns)
    first, second = axes
    if columns is not None and columns in axes:
        window = first if second == columns else second
        return _Fit(columns, window, sure=True, layout_open=first == second)
    known = [length for length in axes if length is not None]
    if len(known) < len(axes):  # an open axis is time
        return _Fit(known[0] if known else columns, None)
    return _Fit(min(known), max(known), layout_open=first == second)


def _fit_flat(length: int | None, columns: int | None) -> _Fit:
    if length is None or columns is None:
        return _Fit(columns or 1, length)
    if length < columns:  # one sample at a time, and columns that the model does not take
        return _Fit(length, 1)
    if length % columns:
        return _Fit(1, length)
    return _Fit(columns, length // columns, sure=columns in (1, length))


def _stream(model: Outline | None, data: Survey | None, data_name: str | None) -> Iterator[Entry]:
    columns = data.channels if data is not None else None
    axes = model.axes if model is not None else None
    bands = bands_among(axes or ())
    if model is not None and bands is not None and columns is not None and len(columns) == 1:
        yield from _features(bands, f"the model's input {model.input_shape}", data, data_name)
        return
    fit = (
        _fit(axes, len(columns) if columns else None)
        if axes
        else _Fit(len(columns) if columns else None)
    )
    shape = f"the model's input {model.input_shape}" if model is not None else ""
    yield _channels(fit, columns, shape, data_name)
    yield _rate(data, data_name)
    yield Entry(
        section="input",
        key="window",
        value=fit.window,
        origin=f"samples, from {shape}" if fit.window else "samples in one window, as in training",
        guessed=fit.window is not None and not fit.sure,
        example=128,
    )
    yield Entry(
        section="input",
        key="hop",
        value=max(1, fit.window // 2) if fit.window else None,
        origin=_hop_origin(fit.window),
        guessed=fit.window is not None and fit.window > 1,
        example=64,
    )
    if fit.layout_open:
        origin = f"{shape} does not tell"
        yield Entry(
            section="input", key="layout", value="time-channel", origin=origin, guessed=True
        )
    yield Entry(
        section="input",
        key="scale",
        value=None,
        origin="x * scale + offset (or mean and std) makes of a raw value what the model was trained on",
        needed=False,
        example=0.001,
    )


def _features(
    bands: int, shape: str, data: Survey | None, data_name: str | None
) -> Iterator[Entry]:
    """Leave to fill in how the features of one channel are computed; only the bands are known."""

    def entry(key: str, origin: str, example: Any) -> Entry:
        return Entry(section="input", key=key, value=None, origin=origin, example=example)

    yield _channels(_Fit(1), data.channels if data is not None else None, shape, data_name)
    yield _rate(data, data_name)
    yield entry("window", "raw samples of one window: frame + (frames - 1) * step", 16000)
    yield entry("hop", "raw samples from one window to the next, best a multiple of step", 160)
    yield entry(
        "features",
        f"{shape} looks like frames of {bands} bands: as in training, see docs/features.md",
        {"kind": "log-mel", "frame": 400, "step": 160, "bins": bands},
    )


def _hop_origin(window: int | None) -> str:
    if window is None:
        return "samples from one window to the next"
    return "half a window" if window > 1 else "one sample"


def _channels(
    fit: _Fit, columns: tuple[str, ...] | None, shape: str, data_name: str | None
) -> Entry:
    if columns is None:
        names = [f"c{index}" for index in range(fit.channels)] if fit.channels else None
        origin = "names of the columns in your recordings, in the model's order"
        return Entry(
            section="input",
            key="channels",
            value=names,
            origin=origin,
            guessed=names is not None,
            example=["ax", "ay", "az"],
        )
    count = fit.channels or len(columns)
    if count > len(columns):
        raise ConfigError(
            f"{shape} has {count} channels, and `{data_name}` has {len(columns)} columns of numbers: {', '.join(columns)}",
            hint="leave `--data` away and fill in [input] by hand",
        )
    origin = f"columns of numbers in {data_name}"
    if count < len(columns):
        origin = f"the first {count} of {len(columns)} columns of numbers in {data_name}"
    return Entry(
        section="input",
        key="channels",
        value=list(columns[:count]),
        origin=origin,
        guessed=count < len(columns),
    )


def _rate(data: Survey | None, data_name: str | None) -> Entry:
    named_hz = rate_in_name(data_name) if data_name is not None else None
    if data is not None and data.rate_hz is not None:
        value, origin = data.rate_hz, f"measured in {data_name}"
    elif named_hz is not None:
        value, origin = named_hz, f"from the name {data_name}"
    else:
        value, origin = None, "samples per second that the model was trained on"
    guessed = value is not None and (data is None or data.rate_hz is None)
    return Entry(
        section="input",
        key="rate_hz",
        value=_number(value),
        origin=origin,
        guessed=guessed,
        example=50,
    )


def _number(value: float | None) -> float | None:
    """Write 26.0 as 26."""
    return int(value) if value is not None and value == int(value) else value


def _output(kind: Entry, model: Outline | None) -> Iterator[Entry]:
    yield kind
    if model is not None and model.output_name is not None and kind.value != "raw":
        yield Entry(
            section="output",
            key="name",
            value=model.output_name,
            origin="the model has several outputs",
            guessed=True,
        )
    if model is None or kind.value != "classes":
        return
    value, origin, guessed = "none", model.ending.said, not model.ending.sure
    if not model.ending.probabilities:
        value = "sigmoid" if model.outputs == 1 else "softmax"
        origin, guessed = f"{model.ending.said}, so in logits", True
    yield Entry(section="output", key="activation", value=value, origin=origin, guessed=guessed)


def _running(data_name: str | None, kind: str) -> Iterator[Entry]:
    def entry(section: str, key: str, value: Any, origin: str = "", example: Any = None) -> Entry:
        return Entry(
            section=section, key=key, value=value, origin=origin, needed=False, example=example
        )

    if data_name is not None:
        yield entry("source", "kind", "replay")
        yield entry("source", "path", data_name)
    else:
        yield entry("source", "kind", "stdin", 'lines of samples; or "replay" with `path`')
    if kind != "raw":
        yield entry(
            "decision", "threshold", None, "least score that counts, or { label = score }", 0.8
        )
        yield entry("decision", "hold", None, "predictions in a row that must agree", 3)
    yield entry("sink", "kind", "terminal")
