"""The verdict: proven, or refused with the sentence that says why."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgekit.model.proof.proof import Proof, Suspect
from edgekit.model.proof.prove import Results, prove
from edgekit.model.proof.tolerance import Nature

Array = np.ndarray[Any, Any]

KINDS = ["random", "random", "constant", "large"]
REFERENCE = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 1.0], [5000.0, 1.0]], np.float32)
ENDS = np.array([3, 5], np.int64)


def _prove(
    engine: Array | None = None,
    reference: Array = REFERENCE,
    streamed: dict[str, Array] | None = None,
) -> Proof:
    results = Results(
        kinds=KINDS,
        reference={"y": reference},
        optimised={"y": reference},
        engine={"y": reference if engine is None else engine},
        natures={"y": Nature()},
        streamed=streamed,
        hop=None if streamed is None else 2,
        skipped=0,
    )
    memory = {"live_bytes": 10, "peak_bytes": 20}
    return prove(
        results,
        reference="ONNX Runtime 1.2, optimisations off",
        engine="tract 3",
        seed=7,
        memory=memory,
    )


def _changed(frame: int, by: float) -> Array:
    engine = REFERENCE.copy()
    engine[frame, 1] += np.float32(by)
    return engine


def test_equal_results_are_proven() -> None:
    """No reason is given where there is nothing to explain."""
    proof = _prove()

    assert (proof.verdict, proof.reason, proof.argmax_agreement) == ("proven", "", 1.0)


def test_a_difference_within_the_tolerance_is_proven() -> None:
    """The largest error and where it was are kept all the same."""
    proof = _prove(_changed(1, 1e-5))

    assert proof.verdict == "proven"
    assert (proof.worst.frame, proof.worst.element) == (1, 1)


def test_a_difference_is_refused_with_its_place() -> None:
    """Output, size, bound, input and element: all that a bug report needs."""
    proof = _prove(_changed(2, 0.25))

    assert proof.verdict == "refused"
    assert proof.reason == (
        "output `y` differs from ONNX Runtime 1.2 by 0.25 (allowed: 5e-05) on constant input 0, element 1"
    )


def test_an_ordinary_input_is_named_before_a_large_one() -> None:
    """A wrong number on plausible input says more."""
    engine = _changed(0, 0.5)
    engine[3] = 0

    assert "on random input 0" in _prove(engine).reason


def test_a_constant_output_is_refused() -> None:
    """Equal to the reference, and useless: the input was folded away, or the export is broken."""
    proof = _prove(reference=np.ones((4, 2), np.float32))

    assert proof.verdict == "refused"
    assert "does not depend on its input" in proof.reason


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (-np.inf, "-inf")])
def test_an_output_that_is_never_a_number_is_refused(value: float, word: str) -> None:
    """Equal to the reference on every input, because its weights are broken; a large input that differs is no excuse."""
    reference = REFERENCE.copy()
    reference[:3, 1] = value

    proof = _prove(reference=reference)

    assert proof.verdict == "refused"
    assert proof.reason == (
        f"output `y`, element 1 is {word} on all 3 inputs of the usual range: do the weights hold NaN?"
    )


def test_nan_on_some_inputs_is_not_another_output() -> None:
    """A constant that is NaN now and then does not depend on its input either."""
    reference = np.ones((4, 2), np.float32)
    reference[1] = np.nan

    assert "does not depend on its input" in _prove(reference=reference).reason


def test_infinity_now_and_then_is_an_output() -> None:
    """The logarithm of nothing, equal in both, is proven."""
    reference = REFERENCE.copy()
    reference[0] = -np.inf

    assert _prove(reference=reference).verdict == "proven"


def test_a_stream_at_other_places_is_refused() -> None:
    """Right numbers at the wrong time are wrong."""
    values = np.ones((2, 2), np.float32)
    wrong: dict[str, Array] = {
        "ends": ENDS + 1,
        "expected_ends": ENDS,
        "streamed": values,
        "alone": values,
    }

    proof = _prove(streamed=wrong)

    assert proof.verdict == "refused"
    assert "makes its predictions at other samples" in proof.reason


def test_a_stream_with_other_numbers_is_refused() -> None:
    """The ring of samples must not mix windows."""
    values = np.ones((2, 2), np.float32)
    wrong: dict[str, Array] = {
        "ends": ENDS,
        "expected_ends": ENDS,
        "streamed": values + 1,
        "alone": values,
    }

    assert (
        "a stream with a hop of 2 differs from the same windows by 1"
        in _prove(streamed=wrong).reason
    )


def test_json_has_the_keys_that_scripts_read() -> None:
    """proof.json is a format: its keys stay."""
    proof = _prove(_changed(1, 1e-5)).to_json()

    assert proof["verdict"] == "proven"
    assert proof["inputs"] == {"random": 2, "constant": 1, "large": 1, "seed": 7, "skipped": 0}
    assert proof["where"] == {"output": "y", "kind": "random", "frame": 1, "element": 1}
    assert proof["max_abs_error"] <= proof["tolerance"] == pytest.approx(5e-5)
    assert {
        "reason",
        "reference",
        "engine",
        "argmax_agreement",
        "outputs",
        "stream",
        "memory",
        "suspect",
    } <= set(proof)


@pytest.mark.parametrize("error", [0.0, 0.25, np.inf, np.nan])
def test_a_proof_survives_json(error: float) -> None:
    """Infinite errors as well, in JSON that every reader takes."""
    values = np.ones((2, 2), np.float32)
    streamed: dict[str, Array] = {
        "ends": ENDS,
        "expected_ends": ENDS,
        "streamed": values,
        "alone": values,
    }
    suspect = Suspect(tensor="t", operator="Conv", after=("Pad",), note="")
    proof = replace(_prove(_changed(0, error), streamed=streamed), suspect=suspect)

    text = json.dumps(proof.to_json(), allow_nan=False)

    assert Proof.from_json(json.loads(text)) == proof


def test_a_suspect_reads_as_a_clause() -> None:
    """It ends the sentence of the error."""
    found = Suspect(tensor="t", operator="QuantizeLinear", after=("Softmax",), note="")

    assert str(found) == "from tensor `t` on (Softmax → QuantizeLinear)"
    assert str(replace(found, tensor="", note="not found in 60 s")) == "not found in 60 s"
