"""
The project: `edgekit.toml`, read strictly.

An unknown key is an error that suggests the near one; every error names the file, the line and the dotted key.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationError

from edge_agent import config
from edgekit.build_section import BuildSection
from edgekit.errors import ConfigError
from edgekit.features_section import (
    LogMelFeatures,
    MfccFeatures,
    SpectrumFeatures,
    StatisticsFeatures,
)
from edgekit.sink_paths import problems_of_sinks
from edgekit.strict_toml import adapter, config_error, read_toml, validate
from edgekit.validation import not_finite, problems_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgekit.features_section import Features

FILE_NAME = "edgekit.toml"
NAME_PATTERN = "^[a-z0-9][a-z0-9-]{0,62}$"  # it names a service and a folder on the device

_LARGEST_WINDOW_BYTES = 256 << 20  # far over any model for a small board; a typing error is not

_FIRST_PERCENT = 10  # a threshold of 80 is one in percent; 1.5 is something else

Number = bool | int | float
PerChannel = float | tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ProjectSection:
    """Which project this is."""

    __pydantic_config__ = config.STRICT

    name: Annotated[str, Field(json_schema_extra={"pattern": NAME_PATTERN})]
    """Name of the project and of its service: lower-case letters, digits, hyphens."""
    version: str = "0.1.0"
    """Version of the project."""

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME_PATTERN, self.name):
            raise ValueError(
                f"`name` is `{self.name}`: must be lower-case letters, digits and hyphens"
            )


@dataclass(frozen=True, kw_only=True)
class ModelSection:
    """The model as it was given."""

    __pydantic_config__ = config.STRICT

    path: str
    """ONNX or TensorFlow Lite file, relative to edgekit.toml."""
    labels: tuple[str, ...] = ()
    """Names of the output's values, in order."""
    mode: Literal["auto", "incremental", "window"] = "auto"
    """Streams: every sample once, carried on from hop to hop (`incremental`), or whole windows; `auto` takes the cheaper of what can be proven."""
    quantized: Literal["exact", "fold"] = "exact"
    """A quantised model: its own integers, or folded to float32 (faster, another model: needs `accept = "approximate"` in [proof])."""
    state: dict[str, str] = field(default_factory=dict)
    """Inputs of the model that are its state, each with the output that gives it back; found by themselves where shape and name leave no doubt."""
    constants: dict[str, Number | tuple[Number, ...]] = field(default_factory=dict)
    """Inputs of the model that always have the same value, such as a sample rate: a number for all its elements, or a list."""

    def __post_init__(self) -> None:
        taken = list(self.state.values())
        twice = next((name for name in taken if taken.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"`state` gives the output `{twice}` to two inputs")


@dataclass(frozen=True, kw_only=True)
class ProofSection:
    """What a model must have been shown to be before it ships."""

    __pydantic_config__ = config.STRICT

    accept: Literal["proven", "approximate"] = "proven"
    """`approximate` also accepts a model whose numbers are others, with the agreement of its answers stated."""


def _kind(value: Any) -> str | None:
    """Return the `kind` of a table, which names its dataclass."""
    return value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)


FeaturesSection = Annotated[
    Annotated[LogMelFeatures, Tag("log-mel")]
    | Annotated[MfccFeatures, Tag("mfcc")]
    | Annotated[SpectrumFeatures, Tag("spectrum")]
    | Annotated[StatisticsFeatures, Tag("statistics")],
    Discriminator(_kind),
]


@dataclass(frozen=True, kw_only=True)
class StreamInput(config.Stream):
    """A stream of samples, cut into windows; scale, offset, mean and std become part of the graph."""

    kind: Literal["stream"] = "stream"
    layout: Literal["time-channel", "channel-time"] | None = None
    """Order of the model's own input axes; found by itself where the shape leaves no doubt."""
    scale: PerChannel | None = None
    """Raw value to model value: `x * scale + offset`, one number or one a channel."""
    offset: PerChannel | None = None
    """See `scale`."""
    mean: PerChannel | None = None
    """Instead of scale and offset: `(x - mean) / std`, with what the model was trained on."""
    std: PerChannel | None = None
    """See `mean`."""
    features: FeaturesSection | None = None
    """What is computed of the samples in front of the model, behind scale or mean; `window` and `hop` stay raw samples."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.features is not None:
            self.features.check(
                window=self.window, channels=len(self.channels), rate_hz=self.rate_hz
            )
            if self.layout is not None:
                error = ValueError(
                    f'`layout` is "{self.layout}", the order of samples, and the model takes features'
                )
                error.add_note('say the order inside `features`: `layout = "time-channel-value"`')
                raise error
        for name in ("scale", "offset", "mean", "std"):
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != len(self.channels):
                raise ValueError(
                    f"`{name}` has {len(value)} values for {len(self.channels)} channels"
                )
        if (self.mean is None) != (self.std is None):
            raise ValueError("`mean` and `std` go together: one of them is missing")
        if self.mean is not None and (self.scale is not None or self.offset is not None):
            raise ValueError("`mean` and `std` say the same as `scale` and `offset`: keep one pair")


@dataclass(frozen=True, kw_only=True)
class TensorInput:
    """One call with named tensors (a camera frame, a feature vector): the model's own inputs."""

    __pydantic_config__ = config.STRICT

    kind: Literal["tensor"]


@dataclass(frozen=True, kw_only=True)
class OutputSection(config.Output):
    """What the model's output means; the activation becomes part of the graph."""

    activation: Literal["softmax", "sigmoid", "none"] = "none"
    """Added behind the model's output, for models that end in logits."""
    name: str | None = None
    """Which output of the model is meant, where it has several."""


@dataclass(frozen=True, kw_only=True)
class TestSection:
    """What the whole pipeline is held against."""

    __test__ = False  # no test, whatever pytest thinks of the name

    __pydantic_config__ = config.STRICT

    data: str | None = None
    """Labelled recording, relative to edgekit.toml."""
    label: str | None = None
    """Its column with the true label."""
    ignore: tuple[str, ...] = ()
    """Labels in the recording that are none of the model's; their windows are not judged."""
    min_accuracy: Annotated[float, Field(ge=0, le=1)] | None = None
    """Least share of label-pure windows that must be right."""
    golden: str | None = None
    """End-to-end reference written by `edgekit.golden`, relative to edgekit.toml."""


@dataclass(frozen=True, kw_only=True)
class DeploySection:
    """Where the project runs."""

    __pydantic_config__ = config.STRICT

    board: str | None = None
    """Board, architecture or triple that `build` and `test` are for unless `-t` names another: see `edgekit boards`."""


def _input_kind(value: Any) -> str:
    return str(
        value.get("kind", "stream") if isinstance(value, dict) else getattr(value, "kind", "")
    )


def _source_kind(value: Any) -> str | None:
    """Return which source is meant; None where no `kind` says so."""
    kind = _kind(value)
    if kind is None:
        return None
    return config.PluginSource.TAG if ":" in str(kind) else str(kind)


SourceSection = Annotated[
    Annotated[config.ReplaySource, Tag("replay")]
    | Annotated[config.StdinSource, Tag("stdin")]
    | Annotated[config.SerialSource, Tag("serial")]
    | Annotated[config.SysfsSource, Tag("sysfs")]
    | Annotated[config.PluginSource, Tag(config.PluginSource.TAG)],
    Discriminator(_source_kind),
]


@dataclass(frozen=True, kw_only=True)
class Project:
    """One edgekit.toml, checked."""

    __pydantic_config__ = config.STRICT

    project: ProjectSection
    model: ModelSection
    input: Annotated[
        Annotated[StreamInput, Tag("stream")] | Annotated[TensorInput, Tag("tensor")],
        Discriminator(_input_kind),
    ]
    output: OutputSection = field(default_factory=OutputSection)
    proof: ProofSection = field(default_factory=ProofSection)
    test: TestSection | None = None
    source: SourceSection | None = None
    decision: config.Decision = field(default_factory=config.Decision)
    budget: config.Budget = field(default_factory=config.Budget)
    build: BuildSection = field(default_factory=BuildSection)
    deploy: DeploySection = field(default_factory=DeploySection)
    sink: tuple[
        Annotated[
            config.TerminalSink | config.JsonlSink | config.CommandSink | config.MqttSink,
            Discriminator("kind"),
        ],
        ...,
    ] = ()

    def __post_init__(self) -> None:
        for check in (
            _check_labels,
            _check_threshold,
            _check_window,
            _check_columns,
            _check_source,
        ):
            check(self)

    @classmethod
    def load(cls, path: str | Path) -> Project:
        """
        Read a project: an edgekit.toml, or the folder that holds one.

        Paths inside it are relative to that folder. Raises ConfigError naming file, line and dotted key.
        """
        path = Path(path)
        if path.is_dir():
            path /= FILE_NAME
        if not path.exists():
            raise ConfigError(
                f"there is no `{path}`", hint="make a project with `edgekit init NAME --model FILE`"
            )
        file = read_toml(path)
        project = validate(cls, file)
        problems = list(problems_of_sinks(project, path))
        if problems:
            raise config_error(problems, file)
        return project

    @property
    def recording(self) -> str | None:
        """The recording that the project names, as written: the labelled one, else the one it replays."""
        if self.test is not None and self.test.data is not None:
            return self.test.data
        return self.source.path if isinstance(self.source, config.ReplaySource) else None

    @property
    def columns(self) -> config.Columns:
        """Which columns of its recordings are no channels: `[source]`'s, and the label that `[test]` names."""
        source = self.source if isinstance(self.source, config.Columns) else config.Columns()
        label = (
            self.test.label
            if self.test is not None and self.test.label is not None
            else source.label
        )
        return config.Columns(time=source.time, label=label, group=source.group)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """Features that are given as a table, without a project around them."""

    __pydantic_config__ = config.STRICT

    features: FeaturesSection


def read_features(table: Mapping[str, Any]) -> Features:
    """Read features as `[input] features` has them; raise ConfigError listing all that is wrong."""
    problems = list(not_finite(dict(table), ("features",)))
    if not problems:
        try:
            text = json.dumps({"features": dict(table)})
            asked: _Asked = adapter(_Asked).validate_json(text, strict=True)
        except TypeError as error:  # nothing that TOML has
            raise ConfigError(f"`features` cannot be read: {error}") from None
        except ValidationError as error:
            problems = list(problems_of(error, _Asked))
        else:
            return asked.features
    raise ConfigError("; ".join(map(str, problems)), hint=problems[0].hint)


def find_project(start: str | Path) -> Path:
    """
    Find the edgekit.toml of `start` or of the nearest folder above it, as git and cargo do.

    Raises ConfigError if there is none.
    """
    start = Path(start).absolute()
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    raise ConfigError(
        f"there is no `{FILE_NAME}` in `{start}` or above",
        hint="make a project with `edgekit init NAME --model FILE`, or name one with `-C DIR`",
    )


def _check_labels(project: Project) -> None:
    labels = project.model.labels
    if "" in labels:
        raise ValueError("`model.labels` has an empty name")
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise ValueError(f"`model.labels` names `{twice}` twice")


def _check_threshold(project: Project) -> None:
    threshold, labels = project.decision.threshold, project.model.labels
    if project.output.kind == "classes" and project.output.activation != "none":
        _check_probabilities(threshold)
    if not isinstance(threshold, dict):
        return
    for label in threshold:
        if label not in labels:
            known = ", ".join(labels) or "none"
            raise ValueError(
                f"`decision.threshold` names `{label}`, which is no label of the model (`model.labels`: {known})"
            )


def _check_probabilities(threshold: float | dict[str, float] | None) -> None:
    """Refuse a threshold that no score of softmax or sigmoid is ever on the other side of."""
    by_key = {"decision.threshold": threshold}
    if isinstance(threshold, dict):
        by_key = {f"decision.threshold.{label}": value for label, value in threshold.items()}
    for key, value in by_key.items():
        if isinstance(value, int | float) and not 0 <= value <= 1:
            error = ValueError(f"`{key}` is {value:g}: must be from 0 to 1, as probabilities are")
            if _FIRST_PERCENT <= value <= 100:  # noqa: PLR2004 (percent)
                error.add_note(f"did you mean `{value / 100:g}`?")
            raise error


def _check_window(project: Project) -> None:
    if isinstance(project.input, StreamInput):
        for name in ("window", "hop"):
            samples = getattr(project.input, name)
            size_bytes = 4 * len(project.input.channels) * samples
            if size_bytes > _LARGEST_WINDOW_BYTES:
                raise ValueError(
                    f"`input.{name}` makes one {name} {size_bytes >> 20} MiB large: "
                    f"at most {_LARGEST_WINDOW_BYTES >> 20} MiB"
                )


def _check_source(project: Project) -> None:
    """Refuse a source that gives more or fewer values than there are channels."""
    source = project.source
    if isinstance(project.input, StreamInput) and isinstance(
        source, config.SerialSource | config.SysfsSource
    ):
        try:
            source.check_fits(project.input.channels)
        except ValueError as error:
            raise ValueError(str(error).replace("`", "`source.", 1)) from None


def _check_columns(project: Project) -> None:
    channels = project.input.channels if isinstance(project.input, StreamInput) else ()
    seen: dict[str, str] = {}
    for key in ("time", "label", "group"):
        column = getattr(project.columns, key)
        if column is None:
            continue
        if column in channels:
            raise ValueError(
                f"`source.{key}` is `{column}`, which `input.channels` has as a channel"
            )
        if column in seen:
            raise ValueError(f"`source.{key}` is `{column}`, and so is the {seen[column]} column")
        seen[column] = key
