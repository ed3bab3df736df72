//! `Stream`.

use edgekit_engine::Mode;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::pace::Paced;
use crate::raise;

/// Samples in, predictions out: a window of `window` samples every `hop` samples.
#[pyclass(frozen, module = "edgekit_runtime")]
pub(crate) struct Stream {
    engine: Paced<edgekit_engine::Stream>,
    #[pyo3(get)]
    window: usize,
    #[pyo3(get)]
    hop: usize,
    #[pyo3(get)]
    channels: usize,
    #[pyo3(get)]
    outputs: usize,
    #[pyo3(get)]
    mode: &'static str,
}

impl Stream {
    pub(crate) fn new(stream: edgekit_engine::Stream) -> Self {
        Self {
            window: stream.window(),
            hop: stream.hop(),
            channels: stream.channels(),
            outputs: stream.outputs(),
            mode: match stream.mode() {
                Mode::Window => "window",
                Mode::Incremental => "incremental",
                Mode::Stateful => "stateful",
            },
            engine: Paced::new(stream),
        }
    }
}

#[pymethods]
impl Stream {
    #[getter]
    fn pending(&self, py: Python<'_>) -> u64 {
        self.engine.with(py, |stream| stream.pending())
    }

    #[getter]
    fn skipped(&self, py: Python<'_>) -> u64 {
        self.engine.with(py, |stream| stream.skipped())
    }

    /// Add float32 samples `[time, channel]`; return the predictions they complete, or pass them over.
    #[pyo3(signature = (samples, *, infer = true))]
    #[expect(clippy::needless_pass_by_value, reason = "what a pymethod takes")]
    fn push<'py>(
        &self,
        py: Python<'py>,
        samples: PyBackedBytes,
        infer: bool,
    ) -> PyResult<Vec<(u64, Bound<'py, PyBytes>)>> {
        if !infer {
            let passed = self.engine.with(py, |stream| stream.pass_over(&samples));
            return passed.map(|()| Vec::new()).map_err(raise);
        }
        let runs = |stream: &edgekit_engine::Stream| stream.due(samples.len());
        let predictions = self.engine.run(py, runs, |stream| stream.push(&samples));
        let predictions = predictions.map_err(raise)?.into_iter();
        Ok(predictions
            .map(|it| (it.end, PyBytes::new(py, it.values.bytes())))
            .collect())
    }

    /// Forget all samples and state; return how many samples were pending.
    fn reset(&self, py: Python<'_>) -> u64 {
        self.engine.with(py, edgekit_engine::Stream::reset)
    }
}
