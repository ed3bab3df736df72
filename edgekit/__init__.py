"""
EdgeKit: make a model file a running, proven, budgeted service.

    model = edgekit.compile("gait.onnx", window=128, channels=6, activation="softmax")
    model.predict(windows)                 # [n, window, channels] raw samples in, [n, outputs] out
    edgekit.golden(raw, outputs, "golden.npz", channels=["ax", "ay", "az"], labels=["still", "walk"])

Everything here is loaded when it is first used, so that `import edgekit` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekit.errors import NotProven as NotProven
    from edgekit.model.compile import compile as compile  # noqa: A004 (the verb users know from elsewhere)
    from edgekit.model.compiled_model import CompiledModel as CompiledModel
    from edgekit.model.golden.golden import golden as golden

    __version__: str

__all__ = ["CompiledModel", "NotProven", "__version__", "compile", "golden"]

_HOME = {
    "CompiledModel": "edgekit.model.compiled_model",
    "NotProven": "edgekit.errors",
    "compile": "edgekit.model.compile",
    "golden": "edgekit.model.golden.golden",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from edgekit.resources import version  # noqa: PLC0415 (lazy on purpose)

        return version()
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module `edgekit` has no attribute `{name}`")


def __dir__() -> list[str]:
    return __all__
