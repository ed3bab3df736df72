//! `Session` and `TensorInfo`.

use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyDict, PyMapping, PyTuple};

use crate::pace::Paced;
use crate::raise;
use crate::stream::Stream;

/// One input or output of a model.
#[pyclass(frozen, module = "edgekit_runtime")]
pub(crate) struct TensorInfo(edgekit_engine::TensorInfo);

#[pymethods]
impl TensorInfo {
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    #[getter]
    fn dtype(&self) -> &'static str {
        self.0.dtype()
    }

    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.shape())
    }

    #[getter]
    fn size_bytes(&self) -> usize {
        self.0.size_bytes()
    }
}

/// A loaded model: any number of named tensors of fixed shape in and out.
#[pyclass(frozen, module = "edgekit_runtime")]
pub(crate) struct Session {
    engine: Paced<edgekit_engine::Session>,
    inputs: Py<PyTuple>,
    outputs: Py<PyTuple>,
}

#[pymethods]
impl Session {
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "what a pymethod takes")]
    fn new(py: Python<'_>, archive: PyBackedBytes) -> PyResult<Self> {
        let session = py
            .detach(|| edgekit_engine::Session::load(&archive))
            .map_err(raise)?;
        Ok(Self {
            inputs: tuple(py, session.inputs())?,
            outputs: tuple(py, session.outputs())?,
            engine: Paced::new(session),
        })
    }

    #[getter]
    fn inputs(&self) -> &Py<PyTuple> {
        &self.inputs
    }

    #[getter]
    fn outputs(&self) -> &Py<PyTuple> {
        &self.outputs
    }

    /// Run the model once on all its inputs; return all its outputs, by name.
    fn run<'py>(
        &self,
        py: Python<'py>,
        inputs: &Bound<'py, PyMapping>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let items = named_bytes(inputs)?;
        let inputs = borrowed(&items);
        let values = self
            .engine
            .run(py, |_| 1, |session| session.run(&inputs))
            .map_err(raise)?;
        let outputs = PyDict::new(py);
        for (info, value) in self.outputs.bind(py).iter().zip(values) {
            let info = info.cast::<TensorInfo>()?;
            outputs.set_item(info.get().name(), PyBytes::new(py, value.bytes()))?;
        }
        Ok(outputs)
    }

    /// Forget all state, as if just loaded.
    fn reset(&self, py: Python<'_>) {
        self.engine.with(py, edgekit_engine::Session::reset);
    }

    /// Make a stream over this model, with a state of its own.
    fn stream(&self, py: Python<'_>, hop: i64) -> PyResult<Stream> {
        let hop = usize::try_from(hop).unwrap_or(0);
        let stream = self
            .engine
            .with(py, |session| session.stream(hop))
            .map_err(raise)?;
        Ok(Stream::new(stream))
    }
}

/// Inputs as they were given.
pub(crate) fn named_bytes(
    inputs: &Bound<'_, PyMapping>,
) -> PyResult<Vec<(PyBackedStr, PyBackedBytes)>> {
    inputs.items()?.iter().map(|item| item.extract()).collect()
}

pub(crate) fn borrowed(items: &[(PyBackedStr, PyBackedBytes)]) -> Vec<(&str, &[u8])> {
    items
        .iter()
        .map(|(name, bytes)| (&**name, &**bytes))
        .collect()
}

fn tuple(py: Python<'_>, infos: &[edgekit_engine::TensorInfo]) -> PyResult<Py<PyTuple>> {
    let infos = infos
        .iter()
        .cloned()
        .map(|info| Py::new(py, TensorInfo(info)));
    Ok(PyTuple::new(py, infos.collect::<PyResult<Vec<_>>>()?)?.unbind())
}
