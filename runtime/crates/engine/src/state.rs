//! The changing part of a loaded model, and how to run it safely.

use std::sync::Arc;

use tract_core::prelude::{TValue, TVec};
use tract_core::prelude::{TypedSimplePlan, TypedSimpleState};

use crate::contain::contain;
use crate::flush_to_zero::FlushToZero;
use crate::{Error, Result};

/// What operators remember from run to run, and how it was at the start: tract leaves it in disorder when
/// a run fails.
#[derive(Debug)]
pub(crate) struct State {
    pristine: TypedSimpleState,
    current: TypedSimpleState,
}

impl State {
    pub(crate) fn new(plan: &Arc<TypedSimplePlan>) -> Result<Self> {
        let pristine = plan.spawn().map_err(|error| Error::archive(&error))?;
        Ok(Self {
            current: pristine.clone(),
            pristine,
        })
    }

    /// Another state of the same model, as if just loaded.
    pub(crate) fn fresh(&self) -> Self {
        Self {
            current: self.pristine.clone(),
            pristine: self.pristine.clone(),
        }
    }

    /// Run once; subnormals are zero meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Run`] or [`Error::Panicked`]; the state is then reset.
    pub(crate) fn run(&mut self, inputs: TVec<TValue>) -> Result<TVec<TValue>> {
        let done = contain(|| {
            let _flush = FlushToZero::on();
            self.current.run(inputs).map_err(|error| Error::run(&error))
        });
        if done.is_err() {
            self.reset();
        }
        done
    }

    pub(crate) fn reset(&mut self) {
        self.current = self.pristine.clone();
    }
}
