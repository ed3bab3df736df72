//! Running a model that takes one hop at a time, and keeps what it needs of the samples before.

use tract_core::prelude::{TValue, TVec, tvec};

use crate::state::State;
use crate::window::Full;
use crate::{Result, TensorInfo};

/// Where a model of one hop stands in its stream.
///
/// Its state goes back one window and no further: a window's prediction follows from the window's own samples, in
/// steps of one hop up to its end. Before the first sample of a window there are zeros, which leave no trace.
#[derive(Debug, Clone)]
pub(crate) struct Incremental {
    /// One hop, `[time, channel]`.
    input: TensorInfo,
    /// Steps that make a whole window.
    steps: u64,
    /// Where the last step ended, counted from the last reset; None before the first.
    done: Option<u64>,
}

impl Incremental {
    /// `input` is one hop, which is positive and at most a window.
    pub(crate) fn new(input: TensorInfo, window: usize) -> Self {
        let steps = window.div_ceil(input.shape()[0]) as u64;
        Self {
            input,
            steps,
            done: None,
        }
    }

    pub(crate) fn hop(&self) -> usize {
        self.input.shape()[0]
    }

    pub(crate) fn reset(&mut self) {
        self.done = None;
    }

    /// Go on to the end of `window`, which is some hops on from the last one; return the outputs there.
    ///
    /// # Errors
    ///
    /// Those of [`State::run`]; the next window is then run from its first sample.
    pub(crate) fn run(&mut self, state: &mut State, window: &Full) -> Result<TVec<TValue>> {
        let hop = self.hop();
        let missing = match self.done.take() {
            Some(done) if (window.end - done) / (hop as u64) < self.steps => {
                (window.end - done) / hop as u64
            }
            _ => {
                state.reset();
                self.steps
            }
        };
        let mut outputs = tvec![];
        for left in (0..missing).rev() {
            let input = self
                .input
                .filled(|tensor| window.copy_before(left * hop as u64, tensor))?;
            outputs = state.run(tvec![input])?;
        }
        self.done = Some(window.end);
        Ok(outputs)
    }
}
