"""What may ship, and what is stamped on it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from edgekit.errors import ConfigError, NotProven
from edgekit.model.proof.acceptance import Acceptance
from edgekit.model.proof.proof import Proof, Verdict

PATH = Path("gait.onnx")


def _proof(verdict: Verdict) -> Proof:
    return Proof(
        verdict=verdict,
        reason="" if verdict == "proven" else "it differs",
        reference="ONNX Runtime 1",
        engine="tract 1",
        seed=1,
        comparisons=(),
        argmax_agreement=0.97,
        skipped=0,
        stream=None,
        memory={},
    )


@pytest.mark.parametrize(
    ("accept", "verdict"),
    [("proven", "proven"), ("approximate", "proven"), ("approximate", "approximate")],
)
def test_what_is_accepted_has_no_stamp(accept: str, verdict: Verdict) -> None:
    """Not even where a reason was given."""
    acceptance = Acceptance(accept=accept, allow_unproven="for a test")  # type: ignore[arg-type]

    assert acceptance.stamp(PATH, _proof(verdict), ()) == ""


@pytest.mark.parametrize(
    ("accept", "verdict", "says"),
    [
        ("proven", "approximate", "only approximate: it differs; .* on 97.0% of inputs"),
        ("proven", "refused", "is refused: it differs"),
        ("approximate", "refused", "is refused: it differs"),
    ],
)
def test_what_is_not_accepted_needs_a_reason(accept: str, verdict: Verdict, says: str) -> None:
    """Exit code 3 without one, the stamp with one."""
    strict = Acceptance(accept=accept)  # type: ignore[arg-type]
    allowed = Acceptance(accept=accept, allow_unproven=" for a test ")  # type: ignore[arg-type]

    with pytest.raises(NotProven, match=says) as caught:
        strict.stamp(PATH, _proof(verdict), ("a rewrite",))

    assert cast("Proof", caught.value.proof).verdict == verdict
    assert caught.value.rewrites == ("a rewrite",)
    assert allowed.stamp(PATH, _proof(verdict), ()) == "for a test"


@pytest.mark.parametrize("why", ["", "  ", "two\nlines", "x" * 501])
def test_a_reason_is_a_line(why: str) -> None:
    """It stands in every event."""
    with pytest.raises(ConfigError, match="allow-unproven"):
        Acceptance(allow_unproven=why)
