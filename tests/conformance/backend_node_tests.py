"""
The node tests of the ONNX package, each through EdgeKit: equal, or refused with a reason, never wrong.

    scripts/backend-node-tests [--every N] [--only TEXT] [--jobs N] [--json FILE] [--document FILE]

Every model is compiled and proven as a user's would be, with all inputs open, and the archive is run on the test's own
inputs. These tests have operators' parameters (axes, shapes, weights) as inputs, which real models have as constants: a
model that is refused is tried once more with `constants` for all inputs but the first one, which is counted apart.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import sys
import tempfile
import traceback
import warnings
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

import edgekit
from edgekit.errors import EdgeKitError
from edgekit.model.proof.tolerance import RELATIVE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from onnx.backend.test.case.test_case import TestCase

    from edgekit.model.compiled_model import CompiledModel

    Array = np.ndarray[Any, Any]

EQUAL: Final = "equal"
EQUAL_TO_ROUNDING: Final = "equal to rounding"
"""Within the proof's bound for float32, 1e-5 of the scale, where the test's own measure is relative and the value nearly 0."""
REFUSED: Final = "refused"
WRONG: Final = "wrong"
BROKEN: Final = "broken"
"""An error that is none of EdgeKit's own: no sentence for a user."""
FOLDED: Final = "folded"
"""Accepted without an input at run time."""

BEGIN: Final = "<!-- counts: scripts/backend-node-tests -->"
END: Final = "<!-- end of counts -->"
"""What stands between them is written by this program."""

ACCEPTABLE: Final = (EQUAL, EQUAL_TO_ROUNDING, REFUSED)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one test ended."""

    test: str
    operator: str
    verdict: str
    constants: bool = False
    """Whether all inputs but the first were given as constants."""
    reason: str = ""


def cases(every: int = 1, only: str = "") -> list[TestCase]:
    """Return the tests by name: each `every`th, of those whose name contains `only`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, while the package computes what is expected
        found = sorted(collect_testcases(None), key=lambda case: str(case.name))
    return [case for case in found if only in case.name][::every]


def try_case(case: TestCase) -> Outcome:
    """Take one test through EdgeKit, with its inputs open and, if that is refused, with the later ones as constants."""
    first = _attempt(case, {})
    if first.verdict != REFUSED or any(isinstance(value, list) for value in _data(case)[0][0]):
        return first  # lists of tensors are no constants
    given = _given(case, 0)
    if len(given) < 2:
        return first
    second = _attempt(case, dict(list(given.items())[1:]))
    return first if second.verdict == REFUSED else second


def _attempt(case: TestCase, constants: dict[str, Array]) -> Outcome:
    nodes = _model(case).graph.node
    named: dict[str, Any] = {
        "test": case.name,
        "operator": str(nodes[0].op_type) if nodes else "",
        "constants": bool(constants),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(_model(case).SerializeToString())
        try:
            compiled = edgekit.compile(path, constants=constants or None)
            if not compiled.session().inputs:
                return Outcome(**named, verdict=FOLDED)
            verdict, reason = _run(compiled, case, constants)
        except EdgeKitError as error:
            words = f"{error.message} ({error.hint})" if error.hint else error.message
            return Outcome(**named, verdict=REFUSED, reason=words.replace(folder + "/", ""))
        except Exception:  # noqa: BLE001 (the finding that this program is there for)
            return Outcome(**named, verdict=BROKEN, reason=traceback.format_exc())
    return Outcome(**named, verdict=verdict, reason=reason)


def _model(case: TestCase) -> onnx.ModelProto:
    assert case.model is not None
    return case.model


def _data(case: TestCase) -> Sequence[Any]:
    return case.data_sets or ()


def _given(case: TestCase, number: int) -> dict[str, Array]:
    """Return one set of the test's inputs by name."""
    initialized = {tensor.name for tensor in _model(case).graph.initializer}
    names = [value.name for value in _model(case).graph.input if value.name not in initialized]
    return dict(zip(names, map(_array, _data(case)[number][0]), strict=True))


def _run(compiled: CompiledModel, case: TestCase, constants: dict[str, Array]) -> tuple[str, str]:
    """Run a compiled model on the test's inputs; return the verdict and what there is to say of it."""
    verdict = EQUAL
    for number, (_, expected) in enumerate(_data(case)):
        given = {
            name: value for name, value in _given(case, number).items() if name not in constants
        }
        if not all(_is_finite(array) for array in given.values()):
            return REFUSED, "the test's input is not finite: such samples never reach a model"
        if compiled.mode == "stateful":
            return (
                REFUSED,
                "the engine carries the state itself, from zero on: the test's cannot be given",
            )
        results = compiled.predict(given)
        for value, wanted in zip(_model(case).graph.output, map(_array, expected), strict=True):
            difference = _difference(results[value.name], wanted, case)
            if difference and not _is_rounding(results[value.name], wanted):
                return WRONG, f"output `{value.name}`: {difference}"
            verdict = EQUAL_TO_ROUNDING if difference else verdict
    return verdict, ""


def _array(value: Any) -> Array:
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return np.asarray(value)


def _is_finite(array: Array) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _difference(given: Array, wanted: Array, case: TestCase) -> str:
    """Return how the two differ by the test's own measure, or nothing."""
    if given.dtype != wanted.dtype or given.shape != wanted.shape:
        return f"{given.dtype} {given.shape} in place of {wanted.dtype} {wanted.shape}"
    try:
        np.testing.assert_allclose(given, wanted, rtol=case.rtol, atol=case.atol)
    except AssertionError as error:
        return " ".join(str(error).split())
    return ""


def _is_rounding(given: Array, wanted: Array) -> bool:
    if given.dtype != np.float32 or given.shape != wanted.shape or not _is_finite(wanted):
        return False
    largest = float(np.abs(wanted).max(initial=0.0))
    return float(np.abs(given - wanted).max(initial=0.0)) <= RELATIVE * largest


def run(tests: Sequence[TestCase], jobs: int) -> Iterator[Outcome]:
    """Yield the outcomes in the order of the tests; `jobs` at a time."""
    with tempfile.TemporaryDirectory(prefix="edgekit-node-tests-") as folder:
        _TESTS[:] = tests
        with multiprocessing.get_context("fork").Pool(jobs, _begin, (folder,)) as pool:
            yield from pool.imap(_try_number, range(len(tests)), chunksize=4)


_TESTS: list[TestCase] = []
"""What forked processes find here need not be sent to them."""


def _begin(folder: str) -> None:
    """Let a process keep the logs of crashes, which are for a user, where they are removed in the end."""
    tempfile.tempdir = folder


def _try_number(number: int) -> Outcome:
    return try_case(_TESTS[number])


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the counts in Markdown: verdicts, and the reasons of those that were refused."""
    lines = ["| verdict | tests |", "|---|---|"]
    for verdict, count in Counter(map(_counted_as, outcomes)).most_common():
        lines.append(f"| {verdict} | {count:,} |")
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        if outcome.verdict == REFUSED:
            reasons[kind_of_reason(outcome.reason)][outcome.operator] += 1
    lines += [
        "",
        "| refused because | tests | operators, the most frequent first |",
        "|---|---|---|",
    ]
    for reason, operators in sorted(reasons.items(), key=lambda item: -item[1].total()):
        named = ", ".join(name for name, _ in operators.most_common(6))
        more = f" and {len(operators) - 6} more" if len(operators) > 6 else ""
        lines.append(f"| {reason} | {operators.total():,} | {named}{more} |")
    return "\n".join(lines) + "\n"


def _counted_as(outcome: Outcome) -> str:
    parameters = outcome.constants and outcome.verdict != REFUSED
    return f"{outcome.verdict}, parameters as constants" if parameters else outcome.verdict


def kind_of_reason(reason: str) -> str:
    """Return a reason without what is of one model alone: names, numbers, what the engine itself says."""
    words = re.sub(r"`[^`]*`", "`…`", reason)
    words = re.sub(r" \(.*", "", words, flags=re.DOTALL)
    words = re.sub(r"-?\b\d[\w.,+-]*\b", "n", words)
    return re.split(r"(?<=prove it against): |; ", words)[0]


def main() -> int:
    """Run the tests that the command line asks for; 1 if one of them was wrong, broken or folded away."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="take each Nth test only")
    parser.add_argument("--only", default="", help="take tests whose name contains this only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="tests at a time")
    parser.add_argument("--json", type=Path, help="write every outcome to this file")
    parser.add_argument("--document", type=Path, help="put the counts between this file's marks")
    options = parser.parse_args()
    outcomes = []
    for outcome in run(cases(options.every, options.only), options.jobs):
        outcomes.append(outcome)
        if outcome.verdict not in ACCEPTABLE:
            print(f"{outcome.verdict}: {outcome.test}: {outcome.reason}", flush=True)  # noqa: T201 (a program)
    if options.json:
        options.json.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
    text = table(outcomes)
    if options.document:
        before, _, rest = options.document.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        options.document.write_text(f"{before}{BEGIN}\n{text}{END}{after}")
    print(f"{len(outcomes)} tests\n\n{text}")  # noqa: T201 (as above)
    return int(any(outcome.verdict not in ACCEPTABLE for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
