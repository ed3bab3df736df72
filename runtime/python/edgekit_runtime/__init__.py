"""
EdgeKit's inference engine.

    session = Session(archive)            # bytes of a model.nnef.tar
    outputs = session.run({"input": frame})
    stream = session.stream(hop=16)       # models with one float32 input [time, channel]
    for end, values in stream.push(samples):
        ...

Device builds have everything here but `import_onnx` and `profile`.
"""

from edgekit_runtime import _native
from edgekit_runtime._native import (
    EngineError,
    EngineInfo,
    KernelInfo,
    Memory,
    Session,
    Stream,
    TensorInfo,
    __version__,
    engine,
    kernels,
    memory,
    reset_peak,
)

__all__ = [
    "EngineError",
    "EngineInfo",
    "KernelInfo",
    "Memory",
    "Session",
    "Stream",
    "TensorInfo",
    "__version__",
    "engine",
    "kernels",
    "memory",
    "reset_peak",
]

if hasattr(_native, "import_onnx"):
    from edgekit_runtime._native import import_onnx as import_onnx
    from edgekit_runtime._native import profile as profile

    __all__ += ["import_onnx", "profile"]
