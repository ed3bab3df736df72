"""The suspected operator: asked for in a child process once a model is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from edgekit.errors import EdgeKitError
from edgekit.model.child import Job
from edgekit.model.proof.proof import Suspect

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from edgekit.model.proof.convert_and_prove import Case

SECONDS: Final = 60


def find(case: Case, frame: Mapping[str, np.ndarray[Any, Any]]) -> Suspect:
    """Return where the engine first differs on one input (`frame`: arrays `[1, *shape]` by name)."""
    parameters = {
        "spec": None if case.spec is None else case.spec.to_json(),
        "options": case.options.to_json(),
        "seconds": SECONDS,
    }
    arrays = {f"input_{name}": array for name, array in frame.items()}
    try:
        with Job("suspect", case.source, parameters, arrays, logs=case.logs) as job:
            found = job.result()
    except EdgeKitError as error:
        return Suspect(
            tensor="", operator="", after=(), note=f"where it starts was not found: {error.message}"
        )
    return Suspect(**{**found, "after": tuple(found["after"])})
