"""The key `[input] features`: where frames lie, how many values there are, and what is refused with which key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgekit.errors import ConfigError
from edgekit.features_section import LogMelFeatures, SpectrumFeatures, StatisticsFeatures
from edgekit.project import Project, StreamInput

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = """
[project]
name = "p"
[model]
path = "m.onnx"
[input]
channels = ["a", "b"]
rate_hz = 100
window = 200
hop = 50
"""


def _load(tmp_path: Path, features: str, more: str = "") -> StreamInput:
    (tmp_path / "edgekit.toml").write_text(f"{PROJECT}{more}\nfeatures = {features}\n")
    loaded = Project.load(tmp_path).input
    assert isinstance(loaded, StreamInput)
    return loaded


def test_each_kind_is_read(tmp_path: Path) -> None:
    """`kind` says which keys there are."""
    for text in (
        '{ kind = "log-mel", frame = 64, step = 32, bins = 8 }',
        '{ kind = "mfcc", frame = 64, step = 32, bins = 16, coefficients = 8 }',
        '{ kind = "spectrum", frame = 14, step = 32 }',
        '{ kind = "statistics", frame = 64, step = 32, values = ["mean", "std", "variance", "min", "max", "range", "rms", "mean-abs"] }',
    ):
        features = _load(tmp_path, text).features
        assert features is not None
        assert features.values_a_frame(100) == 8


def test_frames_are_never_padded() -> None:
    """A window holds 1 + (window - frame) // step of them, with pre-emphasis one sample less."""
    plain = LogMelFeatures(kind="log-mel", frame=400, step=160)
    emphasised = LogMelFeatures(kind="log-mel", frame=400, step=160, pre_emphasis=0.97)

    assert [plain.frames_in(window) for window in (399, 400, 559, 560)] == [0, 1, 1, 2]
    assert [emphasised.frames_in(window) for window in (400, 401, 560, 561)] == [0, 1, 1, 2]
    assert plain.window_of(98) == 15920
    assert emphasised.window_of(98) == 15921


def test_a_spectrum_is_cut_to_its_frequencies() -> None:
    """Bins whose frequency lies from `fmin` to `fmax`, both included."""
    features = SpectrumFeatures(kind="spectrum", frame=100, step=100, fmin=5, fmax=10)

    assert features.bin_range(100) == (5, 11)
    assert features.values_a_frame(100) == 6
    assert SpectrumFeatures(kind="spectrum", frame=100, step=1).values_a_frame(100) == 51
    assert SpectrumFeatures(kind="spectrum", frame=101, step=1).values_a_frame(100) == 51


@pytest.mark.parametrize(
    ("features", "says"),
    [
        ('{ kind = "mel", frame = 64, step = 32 }', r"`input\.features\.kind` is 'mel': must be"),
        ("{ frame = 64, step = 32 }", r"`input\.features\.kind` is missing"),
        ('{ kind = "log-mel", frame = 64 }', r"`input\.features\.step` is missing"),
        (
            '{ kind = "log-mel", frame = 64, step = 32, n_mels = 8 }',
            r"`input\.features\.n_mels` is an unknown key",
        ),
        ('{ kind = "log-mel", frame = 0, step = 1 }', r"`input\.features\.frame` is 0"),
        ('{ kind = "log-mel", frame = 64, step = 0 }', r"`input\.features\.step` is 0"),
        ('{ kind = "log-mel", frame = 64, step = 32, n_fft = 32 }', r"`input\.features\.n_fft` is"),
        (
            '{ kind = "log-mel", frame = 64, step = 32, floor = 0 }',
            "the logarithm of silence would be infinite",
        ),
        (
            '{ kind = "mfcc", frame = 64, step = 32, bins = 10 }',
            r"`input\.features\.coefficients` is 20: must be from 1 to `bins`, 10",
        ),
        (
            '{ kind = "statistics", frame = 64, step = 32, values = ["mean", "average"] }',
            "must be 'mean', 'std'",
        ),
        (
            '{ kind = "statistics", frame = 64, step = 32, values = ["mean", "mean"] }',
            "names `mean` twice",
        ),
        (
            '{ kind = "spectrum", frame = 300, step = 1 }',
            r"`input\.window` is 200: one frame of features takes 300 samples",
        ),
        (
            '{ kind = "log-mel", frame = 64, step = 32, fmax = 8000 }',
            r"`input\.features\.fmax` is 8000: 100 samples a second hold frequencies up to 50 Hz",
        ),
        (
            '{ kind = "spectrum", frame = 10, step = 1, fmin = 11, fmax = 12 }',
            "hold no bin: these are 10 Hz apart",
        ),
        (
            '{ kind = "statistics", frame = 64, step = 32, values = ["mean", "std"], scale = [1, 2, 3] }',
            r"`input\.features\.scale` has 3 numbers: must be one, 2 \(one a value\) or 4",
        ),
        (
            '{ kind = "statistics", frame = 64, step = 32, values = ["mean"], mean = 1.0 }',
            "`input.features.mean` and `std` go together",
        ),
        (
            '{ kind = "statistics", frame = 64, step = 32, values = ["mean"], clip = [1, 0] }',
            r"`input\.features\.clip` is",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_key(
    tmp_path: Path, features: str, says: str
) -> None:
    """Every message names the dotted key and the value."""
    with pytest.raises(ConfigError, match=says):
        _load(tmp_path, features)


def test_the_layout_is_the_features(tmp_path: Path) -> None:
    """The order of samples says nothing of a model that takes features."""
    features = '{ kind = "spectrum", frame = 64, step = 32 }'
    with pytest.raises(ConfigError, match=r"`input\.layout` is") as caught:
        _load(tmp_path, features, 'layout = "time-channel"')

    assert "inside `features`" in str(caught.value.hint)


def test_long_frames_of_statistics_stand_alone() -> None:
    """One frame a window may be as long as it likes; several are taken apart at the square of their length."""
    features = StatisticsFeatures(kind="statistics", frame=5000, step=100, values=("mean",))

    features.check(window=5000, channels=1, rate_hz=1)
    with pytest.raises(ValueError, match="at most 1024 samples each"):
        features.check(window=5100, channels=1, rate_hz=1)


def test_a_typing_error_does_not_take_all_memory() -> None:
    """Frames that overlap almost wholly, bands of a transform that is far too long."""
    features = SpectrumFeatures(kind="spectrum", frame=4096, step=1)
    with pytest.raises(
        ValueError, match=r"`features\.step` is 1: a window of 160000 samples holds"
    ):
        features.check(window=160000, channels=1, rate_hz=16000)
    with pytest.raises(ValueError, match="`bins` is 1024: with a Fourier transform of 65536"):
        LogMelFeatures(kind="log-mel", frame=512, step=1, n_fft=65536, bins=1024)
