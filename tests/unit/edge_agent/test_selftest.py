"""The self-test of an unpacked bundle, on an engine that is none: what is wrong is found and told."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edge_agent import command_line, model_facts, selftest
from edge_agent.config import Archive
from edge_agent.errors import ConfigError, VerificationFailed
from edge_agent.manifest import File, Manifest
from edge_agent.testing import FakeEngine, FakeMemory, FakeModel, FakeStream, pack_samples
from edge_agent.vectors import Given, Kept, Outline, Vector, Vectors, largest, write_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge_agent.model_facts import ModelFacts

WINDOW, CHANNELS = 4, 2
ARCHIVE = b"an archive"
FACTS = model_facts.ModelFacts(
    archive=Archive(
        path="model.nnef.tar",
        sha256=hashlib.sha256(ARCHIVE).hexdigest(),
        engine="tract 0.23.9",
        registries=("tract_nnef",),
    ),
    inputs=(model_facts.Tensor(name="samples", dtype="float32", shape=(WINDOW, CHANNELS)),),
    outputs=(
        model_facts.OutputTensor(
            name="prediction", dtype="float32", shape=(CHANNELS,), tolerance=1e-5
        ),
    ),
    stream=model_facts.StreamFacts(window=WINDOW, hop=2, channels=CHANNELS),
    plan=model_facts.MemoryPlan(live_bytes=1_000_000, peak_bytes=500_000),
)


def _vector(first: float, *, step: int = 1, order: int | None = None) -> Vector:
    """Return a window and what `FakeModel` makes of it: the mean of each channel."""
    samples = [(first + row, 2.0 * row) for row in range(WINDOW)]
    data = pack_samples(samples)
    values = struct.unpack(
        f"<{CHANNELS}f", FakeModel(WINDOW, CHANNELS).run({"samples": data})["prediction"]
    )
    argmax, margin = largest(values)
    part = struct.pack(f"<{len(values[::step])}f", *values[::step])
    kept = Kept(
        step=step,
        size_bytes=len(part),
        argmax=argmax if order is None else order,
        margin=margin,
    )
    return Vector(
        outline=Outline(
            kind="recorded",
            inputs={"samples": Given(size_bytes=len(data))},
            outputs={"prediction": kept},
        ),
        given={"samples": data},
        expected={"prediction": part},
    )


def unpack(
    folder: Path,
    *,
    facts: ModelFacts = FACTS,
    vectors: Sequence[Vector] | None = None,
    model: str | None = None,
) -> Path:
    """Write a bundle, unpacked, as the host would."""
    known = Vectors(
        model=model or facts.archive.sha256,
        vectors=tuple([_vector(1.0), _vector(7.5)] if vectors is None else vectors),
    )
    files = {
        "model.json": model_facts.to_text(facts).encode(),
        "model.nnef.tar": ARCHIVE,
        "vectors.bin": write_vectors(known),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    manifest = Manifest(
        name="gait",
        version="1.0.0",
        edgekit="0.1.0",
        board="raspberry-pi-3",
        target="aarch64-unknown-linux-gnu",
        cpu="cortex-a53",
        glibc="2.17",
        engine="tract 0.23.9",
        registries=("tract_nnef",),
        files=tuple(
            File(path=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())
            for name, data in sorted(files.items())
        ),
    )
    (folder / "manifest.json").write_bytes(manifest.to_bytes())
    return folder


def engine(add: float = 0.0) -> FakeEngine:
    """Return an engine whose model is off by `add`."""

    def model(window: list[tuple[float, ...]]) -> list[float]:
        return [sum(channel) / len(window) + add for channel in zip(*window, strict=True)]

    return FakeEngine(FakeModel(WINDOW, CHANNELS, model=model))


def test_a_good_bundle_passes(tmp_path: Path) -> None:
    """All vectors are reproduced, the stream equals the windows, the memory fits the plan."""
    report = selftest.run(unpack(tmp_path), engine())

    assert report.problem == ""
    assert report.vectors.vectors == 2
    assert report.vectors.values == 4
    assert report.streamed is not None
    assert report.streamed.windows == selftest.WINDOWS
    assert len(report.streamed.blocks) > 2
    assert report.to_json()["verdict"] == "passed"
    json.dumps(report.to_json(), allow_nan=False)


@pytest.mark.parametrize(("off", "good"), [(0.5e-5, True), (5e-5, False), (float("nan"), False)])
def test_an_error_is_held_to_the_tolerance(tmp_path: Path, off: float, good: bool) -> None:
    """What is over it is told with vector, output, element and both numbers; NaN is never near enough."""
    report = selftest.run(unpack(tmp_path), engine(off))

    assert (report.problem == "") == good
    if not good:
        assert "2 of 2 test vectors are not reproduced by the kernels `generic`" in report.problem
        assert "output `prediction`, element" in report.problem
        json.dumps(report.to_json(), allow_nan=False)


def test_nan_where_nan_was_is_reproduced(tmp_path: Path) -> None:
    """A model may give NaN (the logarithm of nothing): the same is the same."""
    nan = _vector(1.0)
    nan = replace(
        nan,
        expected={"prediction": struct.pack("<2f", float("nan"), float("nan"))},
        outline=replace(
            nan.outline, outputs={"prediction": Kept(step=1, size_bytes=8, argmax=0, margin=None)}
        ),
    )

    report = selftest.run(unpack(tmp_path, vectors=[nan]), engine(float("nan")))

    assert report.vectors.bad_vectors == 0


def test_another_class_is_found_where_only_some_values_are_kept(tmp_path: Path) -> None:
    """Of a large output a part is kept; which value was the largest of all is held to as well."""
    wrong = _vector(1.0, step=2, order=0)

    report = selftest.run(unpack(tmp_path, vectors=[wrong]), engine())

    assert report.vectors.values == 1
    assert report.problem == "1 of 1 clear decisions fall otherwise with the kernels `generic`"


@pytest.mark.parametrize(
    ("early", "more", "problem"),
    [
        (1, 0, "a stream differs from the same windows by"),
        (0, 1, "a stream makes its predictions at other samples than the windows end"),
    ],
)
def test_a_stream_with_other_windows_is_found(
    tmp_path: Path, early: int, more: int, problem: str
) -> None:
    """A stream that holds a sample nobody gave, and one that takes another hop."""

    class Wrong(FakeModel):
        def stream(self, hop: int) -> FakeStream:
            made = super().stream(hop + more)
            made.push(bytes(early * 4 * CHANNELS))
            return made

    report = selftest.run(unpack(tmp_path), FakeEngine(Wrong(WINDOW, CHANNELS)))

    assert report.problem.startswith(problem)


def test_more_memory_than_planned_is_found(tmp_path: Path) -> None:
    """The peak may be somewhat over the plan of another CPU, not twice it."""
    greedy = FakeEngine(FakeModel(WINDOW, CHANNELS), FakeMemory(0, 3_000_000))

    report = selftest.run(unpack(tmp_path), greedy)

    assert report.problem == "the engine needed 3,000,000 bytes at most, 500,000 were planned"


def test_a_bundle_without_vectors_does_not_pass(tmp_path: Path) -> None:
    """Nothing tried is nothing proven."""
    facts = replace(FACTS, stream=None)

    report = selftest.run(unpack(tmp_path, facts=facts, vectors=[]), engine())

    assert report.problem == "the bundle holds no test vectors"
    assert report.to_text().endswith("failed")


def test_vectors_of_another_model_are_refused(tmp_path: Path) -> None:
    """They would prove nothing."""
    with pytest.raises(VerificationFailed, match=r"about another model \(bbbb"):
        selftest.run(unpack(tmp_path, model="b" * 64), engine())


def test_a_model_of_another_shape_is_refused(tmp_path: Path) -> None:
    """model.json and the archive must be about the same thing."""
    with pytest.raises(VerificationFailed, match=r"the inputs of `model\.nnef\.tar` are"):
        selftest.run(unpack(tmp_path), FakeEngine(FakeModel(WINDOW + 1, CHANNELS)))


def test_vectors_of_other_outputs_are_refused(tmp_path: Path) -> None:
    """Each output of the model has its part in each vector."""
    other = _vector(1.0)
    other = replace(
        other,
        outline=replace(other.outline, outputs={"y": other.outline.outputs["prediction"]}),
        expected={"y": other.expected["prediction"]},
    )

    with pytest.raises(VerificationFailed, match=r"outputs \['y'\]"):
        selftest.run(unpack(tmp_path, vectors=[other]), engine())


@pytest.mark.parametrize("name", ["model.nnef.tar", "vectors.bin", "model.json"])
@pytest.mark.parametrize("damage", ["changed", "longer", "missing"])
def test_every_file_is_held_to_the_manifest(tmp_path: Path, name: str, damage: str) -> None:
    """A bad card changes bytes silently; the self-test is not silent."""
    path = unpack(tmp_path) / name
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data + b"!" if damage == "longer" else bytes([data[0] ^ 1]) + data[1:])

    with pytest.raises(VerificationFailed, match=f"{name}` is not the file of the manifest"):
        selftest.run(tmp_path, engine())


def test_a_folder_that_is_no_bundle_is_a_sentence(tmp_path: Path) -> None:
    """It says what is missing."""
    with pytest.raises(ConfigError, match=r"no unpacked bundle: cannot read `manifest\.json`"):
        selftest.run(tmp_path, engine())


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize(("off", "code"), [(0.0, 0), (1.0, 5)])
def test_the_command_line(  # noqa: PLR0913 (two parameters, three fixtures)
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    as_json: bool,
    off: float,
    code: int,
) -> None:
    """Exit code 5 with the sentence when it fails; the report is printed either way."""
    monkeypatch.setattr(selftest, "NativeEngine", lambda: engine(off))
    arguments = ["selftest", str(unpack(tmp_path)), *(["--json"] if as_json else [])]

    assert command_line.main(arguments) == code

    printed = capsys.readouterr()
    verdict = "failed" if code else "passed"
    if as_json:
        assert json.loads(printed.out)["verdict"] == verdict
    else:
        assert printed.out.splitlines()[-1] == verdict
    assert ("error: 2 of 2 test vectors" in printed.err) == bool(code)
