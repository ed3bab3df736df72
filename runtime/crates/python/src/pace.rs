//! When to give up the interpreter's lock.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::sync::MutexExt;

/// Runs this long are worth giving up the lock: a tiny model's run is not, since taking the lock back can
/// mean waiting for another thread's turn, 5 ms by default.
const LONG: Duration = Duration::from_micros(50);

/// Something that runs a model, for one thread at a time.
pub(crate) struct Paced<T>(Mutex<Measured<T>>);

struct Measured<T> {
    engine: T,
    /// How long the last run took. The first counts as long.
    run: Duration,
}

impl<T: Send> Paced<T> {
    pub(crate) fn new(engine: T) -> Self {
        Self(Mutex::new(Measured { engine, run: LONG }))
    }

    /// Do something quick.
    pub(crate) fn with<R>(&self, py: Python<'_>, work: impl FnOnce(&mut T) -> R) -> R {
        let locked = self.0.lock_py_attached(py);
        work(&mut locked.unwrap_or_else(PoisonError::into_inner).engine)
    }

    /// Do `work`, which runs the model as often as `runs` says: without the interpreter's lock if that will
    /// be long, going by the last run.
    pub(crate) fn run<R: Send>(
        &self,
        py: Python<'_>,
        runs: impl FnOnce(&T) -> u64,
        work: impl FnOnce(&mut T) -> R + Send,
    ) -> R {
        let locked = self.0.lock_py_attached(py);
        let Measured { engine, run } = &mut *locked.unwrap_or_else(PoisonError::into_inner);
        let runs = u32::try_from(runs(engine)).unwrap_or(u32::MAX);
        let timed = || {
            let begin = Instant::now();
            (work(engine), begin.elapsed())
        };
        let is_long = run.saturating_mul(runs) >= LONG;
        let (done, took) = if is_long { py.detach(timed) } else { timed() };
        *run = took.checked_div(runs).unwrap_or(*run);
        done
    }
}
