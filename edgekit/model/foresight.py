"""What `edgekit check` would refuse a new project for, as far as that is seen without converting the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.errors import ConfigError, ModelError
from edgekit.model.classes import meant_output
from edgekit.model.graph_spec import GraphSpec
from edgekit.model.options import ModelOptions
from edgekit.model.prepare import input_shapes
from edgekit.model.state_pairs import state_pairs, without_state
from edgekit.model.stream_form import check_numbers, the_output

if TYPE_CHECKING:
    from edgekit.model.source import SourceModel
    from edgekit.project import Project


def foreseen(source: SourceModel, project: Project | None) -> ConfigError | ModelError | None:
    """Return the error that a model's inputs and outputs will cause; `project` is None while keys are to be filled in."""
    try:
        if project is None:
            check_numbers(meant_output(source))
            return None
        spec = GraphSpec.of(project)
        visible = without_state(source, state_pairs(source, ModelOptions.of(project)))
        input_shapes(visible, spec)
        if spec is not None:
            the_output(visible, spec.output_name)
    except (ConfigError, ModelError) as error:
        return error
    return None
