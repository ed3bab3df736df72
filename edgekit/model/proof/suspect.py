"""The suspected operator: asked for in a child process once a model is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from edgekit.errors import EdgeKitError
from edgekit.model.child import Job
from edgekit.model.proof.prove import Suspect

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

    from edgekit.model.graph_spec import GraphSpec
    from edgekit.model.source import SourceModel

SECONDS: Final = 60


def find(
    source: SourceModel,
    spec: GraphSpec | None,
    frame: Mapping[str, np.ndarray[Any, Any]],
    logs: Path | None,
) -> Suspect:
    """Return where the engine first differs on one input (`frame`: arrays `[1, *shape]` by name)."""
    parameters = {"spec": None if spec is None else spec.to_json(), "seconds": SECONDS}
    arrays = {f"input_{name}": array for name, array in frame.items()}
    try:
        with Job("suspect", source, parameters, arrays, logs=logs) as job:
            found = job.result()
    except EdgeKitError as error:
        return Suspect(
            tensor="", operator="", after=(), note=f"where it starts was not found: {error.message}"
        )
    return Suspect(**{**found, "after": tuple(found["after"])})
