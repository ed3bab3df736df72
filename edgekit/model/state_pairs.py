"""Which inputs of a model are its state, and which outputs give it back: declared, or recognised by name and shape."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from edgekit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekit.model.options import ModelOptions
    from edgekit.model.source import SourceModel
    from edgekit.model.tensor_spec import TensorSpec

Pairs = tuple[tuple[str, str], ...]
"""Inputs that are state, and for each the output that is its value in the next run."""

_WORDS: Final = frozenset(
    (
        *("state", "states", "hidden", "cell", "cache", "memory", "mem", "buffer", "buf", "carry"),
        *("rnn", "gru", "lstm", "recurrent", "past", "present", "h", "c"),
    )
)
"""What a state is called; an input without one of these words in its name has to be declared."""

_SIDES: Final = frozenset(
    (
        *("in", "input", "out", "output", "n", "new", "next", "prev", "previous", "past"),
        *("present", "old", "last", "initial", "init", "final", "updated", "t"),
    )
)
"""What tells the one end of a state from the other."""

_SHORT: Final = re.compile(r"([hc])[0nxt]?")
"""PyTorch's names of the states of a recurrence: h, h0, hx, hn."""


def state_pairs(source: SourceModel, options: ModelOptions) -> Pairs:
    """
    Return the inputs that are state, each with the output that is its value in the next run; empty if there are none.

    Declared pairs are taken as they are; ConfigError if the model has no such input or output, or their types or shapes
    differ. Else a pair is an input and an output of one type and shape, named alike and as states are named.
    """
    if options.state:
        for given, back in options.state:
            _check(source, given, back)
        _check_rest(source, options.state)
        return options.state
    pairs = tuple(
        (tensor.name, found[0].name)
        for tensor in source.inputs
        if len(found := [item for item in source.outputs if _is_pair(tensor, item)]) == 1
    )
    backs = [back for _, back in pairs]
    if len(set(backs)) != len(backs) or len(pairs) == len(source.inputs):
        return ()
    return () if len(pairs) == len(source.outputs) else pairs


def without_state(source: SourceModel, pairs: Pairs) -> SourceModel:
    """Return the model with the inputs and outputs that its caller sees."""
    inputs, outputs = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    return replace(
        source,
        inputs=tuple(tensor for tensor in source.inputs if tensor.name not in inputs),
        outputs=tuple(tensor for tensor in source.outputs if tensor.name not in outputs),
    )


def _is_pair(given: TensorSpec, back: TensorSpec) -> bool:
    return (
        bool(_words(given.name) & _WORDS)
        and _stem(given.name) == _stem(back.name)
        and _alike(given, back)
    )


def _alike(given: TensorSpec, back: TensorSpec) -> bool:
    """Tell whether two tensors can be one: the same type, and no axis that is known to differ."""
    if given.dtype != back.dtype:
        return False
    if given.shape is None or back.shape is None:
        return True
    return len(given.shape) == len(back.shape) and all(
        one == other or None in (one, other)
        for one, other in zip(given.shape, back.shape, strict=True)
    )


def _parts(name: str) -> list[str]:
    """Return the words and numbers of a name: `stateN` is state, n; `h_0` is h, 0."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [
        short[1] if (short := _SHORT.fullmatch(part)) else part
        for part in re.findall(r"[a-z]+[0-9]*|[0-9]+", spaced.lower())
    ]


def _words(name: str) -> set[str]:
    return {word for part in _parts(name) for word in (part, part.rstrip("0123456789"))}


def _stem(name: str) -> tuple[str, ...]:
    """Return what both ends of a state are called."""
    parts = _parts(name)
    stem = [part for part in parts if part not in _SIDES]
    if stem or not {"past", "present"} & set(parts):
        return tuple(stem)
    return ("past",)  # named by its sides alone


def _check(source: SourceModel, given: str, back: str) -> None:
    """Raise ConfigError unless the model has this input and this output, and they can be one state."""
    ends = []
    for name, tensors, what in ((given, source.inputs, "input"), (back, source.outputs, "output")):
        found = next((tensor for tensor in tensors if tensor.name == name), None)
        if found is None:
            raise ConfigError(
                f"`model.state` names the {what} `{name}`, which the model does not have",
                hint=_near(name, tensors),
            )
        ends.append(found)
    if not _alike(*ends):
        raise ConfigError(
            f"`model.state` makes output {ends[1]} the next value of input {ends[0]}: their types or shapes differ",
            hint="pair each state's input with the output that gives it back",
        )


def _check_rest(source: SourceModel, pairs: Pairs) -> None:
    backs = [back for _, back in pairs]
    twice = next((back for back in backs if backs.count(back) > 1), None)
    if twice is not None:
        raise ConfigError(
            f"`model.state` takes the output `{twice}` twice",
            hint="pair each state's input with the output that gives it back",
        )
    rest = without_state(source, pairs)
    for tensors, what in ((rest.inputs, "input"), (rest.outputs, "output")):
        if not tensors:
            raise ConfigError(
                f"`model.state` leaves the model no {what}",
                hint="state is what goes from run to run; at least one input and one output are not",
            )


def _near(name: str, tensors: Sequence[TensorSpec]) -> str:
    names = [tensor.name for tensor in tensors]
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return "it has " + ", ".join(f"`{known}`" for known in names)
