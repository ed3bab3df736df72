//! `edgekit_runtime._native`: the engine for Python. Conversions only.

mod pace;
mod session;
mod stream;

#[cfg(feature = "import")]
use edgekit_engine::CarriedNames;
use edgekit_engine::{CountingAllocator, Error};
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
#[cfg(feature = "import")]
use pyo3::{
    pybacked::{PyBackedBytes, PyBackedStr},
    types::{PyBytes, PyMapping},
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

create_exception!(
    edgekit_runtime,
    EngineError,
    PyException,
    "The engine could not load or run a model (a caller's mistake is a `ValueError`)."
);

/// The one place where an engine error becomes a Python exception.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape of map_err's argument"
)]
fn raise(error: Error) -> PyErr {
    if error.is_callers_mistake() {
        PyValueError::new_err(error.to_string())
    } else {
        EngineError::new_err(error.to_string())
    }
}

/// What the engine's allocator has counted since the module was loaded.
#[pyclass(frozen, get_all, module = "edgekit_runtime")]
struct Memory {
    live_bytes: usize,
    peak_bytes: usize,
    allocations: usize,
}

/// Which engine this is; an archive may need a certain one.
#[pyclass(frozen, get_all, module = "edgekit_runtime")]
struct EngineInfo {
    name: &'static str,
    version: &'static str,
    registries: Py<PyTuple>,
    can_import: bool,
}

/// Which matrix kernels the engine has and uses on this CPU.
#[pyclass(frozen, get_all, module = "edgekit_runtime")]
struct KernelInfo {
    chosen: &'static str,
    float32: &'static str,
    available: Py<PyTuple>,
}

/// Return the engine allocator's counters.
#[pyfunction]
fn memory() -> Memory {
    let memory = edgekit_engine::memory();
    Memory {
        live_bytes: memory.live_bytes,
        peak_bytes: memory.peak_bytes,
        allocations: memory.allocations,
    }
}

/// Set the peak to what is live now.
#[pyfunction]
fn reset_peak() {
    edgekit_engine::reset_peak();
}

/// Return which engine this build carries.
#[pyfunction]
fn engine(py: Python<'_>) -> PyResult<EngineInfo> {
    Ok(EngineInfo {
        name: edgekit_engine::ENGINE,
        version: edgekit_engine::VERSION,
        registries: PyTuple::new(py, edgekit_engine::registries())?.unbind(),
        can_import: cfg!(feature = "import"),
    })
}

/// Return which matrix kernels the engine has and uses on this CPU.
#[pyfunction]
fn kernels(py: Python<'_>) -> PyResult<KernelInfo> {
    let kernels = edgekit_engine::kernels();
    Ok(KernelInfo {
        chosen: kernels.chosen,
        float32: kernels.float32,
        available: PyTuple::new(py, kernels.available)?.unbind(),
    })
}

/// Turn an ONNX model with fixed shapes and no external data into an NNEF archive (host builds only).
#[cfg(feature = "import")]
#[pyfunction]
#[pyo3(signature = (model, outputs = None, *, state = Vec::new(), window = None))]
#[expect(clippy::needless_pass_by_value, reason = "what a pyfunction takes")]
fn import_onnx(
    py: Python<'_>,
    model: PyBackedBytes,
    outputs: Option<Vec<PyBackedStr>>,
    state: Vec<(PyBackedStr, PyBackedStr)>,
    window: Option<usize>,
) -> PyResult<Bound<'_, PyBytes>> {
    let outputs = outputs
        .as_ref()
        .map(|names| names.iter().map(|name| &**name).collect::<Vec<_>>());
    let state: Vec<_> = state
        .iter()
        .map(|(input, output)| (&**input, &**output))
        .collect();
    let carried = CarriedNames {
        state: &state,
        window,
    };
    let archive = py.detach(|| edgekit_engine::import_onnx(&model, outputs.as_deref(), carried));
    Ok(PyBytes::new(py, &archive.map_err(raise)?))
}

/// Run an archive `runs` times; return the seconds that each kind of operator took, longest first (host builds only).
#[cfg(feature = "import")]
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "what a pyfunction takes")]
fn profile(
    py: Python<'_>,
    archive: PyBackedBytes,
    inputs: &Bound<'_, PyMapping>,
    runs: usize,
) -> PyResult<Vec<(String, f64)>> {
    let items = session::named_bytes(inputs)?;
    let inputs = session::borrowed(&items);
    let times = py.detach(|| edgekit_engine::Session::load(&archive)?.profile(&inputs, runs));
    let times = times.map_err(raise)?.into_iter();
    Ok(times
        .map(|(operator, took)| (operator, took.as_secs_f64()))
        .collect())
}

#[pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::session::{Session, TensorInfo};
    #[pymodule_export]
    use super::stream::Stream;
    #[pymodule_export]
    use super::{EngineError, EngineInfo, KernelInfo, Memory, engine, kernels, memory, reset_peak};
    #[cfg(feature = "import")]
    #[pymodule_export]
    use super::{import_onnx, profile};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        // PyO3 lists everything; what is public is the package's matter.
        module.delattr("__all__")
    }
}
