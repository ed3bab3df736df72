//! The changing part of a loaded model, and how to run it safely.

use std::sync::Arc;
#[cfg(feature = "import")]
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

#[cfg(feature = "import")]
use tract_core::plan::eval;
use tract_core::prelude::{TValue, TVec, TractResult, TypedSimplePlan, TypedSimpleState};

use crate::carried::Carried;
use crate::contain::contain;
use crate::flush_to_zero::FlushToZero;
use crate::{Error, Result};

/// What operators remember from run to run, and how it was at the start: tract leaves it in disorder when
/// a run fails. Beside it the state that the model takes and gives as tensors.
#[derive(Debug)]
pub(crate) struct State {
    pristine: TypedSimpleState,
    current: TypedSimpleState,
    carried: Carried,
    /// How long each kind of operator took, while somebody wants to know.
    #[cfg(feature = "import")]
    times: Option<BTreeMap<String, Duration>>,
}

impl State {
    pub(crate) fn new(plan: &Arc<TypedSimplePlan>, carried: Carried) -> Result<Self> {
        let pristine = plan.spawn().map_err(|error| Error::archive(&error))?;
        Ok(Self {
            current: pristine.clone(),
            pristine,
            carried,
            #[cfg(feature = "import")]
            times: None,
        })
    }

    /// Another state of the same model, as if just loaded.
    pub(crate) fn fresh(&self) -> Self {
        let mut carried = self.carried.clone();
        carried.reset();
        Self {
            current: self.pristine.clone(),
            pristine: self.pristine.clone(),
            carried,
            #[cfg(feature = "import")]
            times: None,
        }
    }

    /// Run once on the inputs that a caller gives; subnormals are zero meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Run`] or [`Error::Panicked`]; the state is then reset.
    pub(crate) fn run(&mut self, mut inputs: TVec<TValue>) -> Result<TVec<TValue>> {
        self.carried.join(&mut inputs);
        let done = contain(|| {
            let _flush = FlushToZero::on();
            self.eval(inputs).map_err(|error| Error::run(&error))
        });
        match done {
            Ok(mut outputs) => {
                self.carried.part(&mut outputs);
                Ok(outputs)
            }
            Err(error) => {
                self.reset();
                Err(error)
            }
        }
    }

    #[cfg(not(feature = "import"))]
    fn eval(&mut self, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        self.current.run(inputs)
    }

    #[cfg(feature = "import")]
    fn eval(&mut self, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let Some(times) = &mut self.times else {
            return self.current.run(inputs);
        };
        self.current
            .run_plan_with_eval(inputs, |context, state, node, inputs| {
                let begin = Instant::now();
                let outputs = eval(context, state, node, inputs);
                let took = begin.elapsed();
                *times.entry(node.op.name().into_owned()).or_default() += took;
                outputs
            })
    }

    /// Note from now on how long each kind of operator takes, or stop it; return what was noted.
    #[cfg(feature = "import")]
    pub(crate) fn note_times(&mut self, wanted: bool) -> BTreeMap<String, Duration> {
        let next = wanted.then(BTreeMap::new);
        std::mem::replace(&mut self.times, next).unwrap_or_default()
    }

    pub(crate) fn reset(&mut self) {
        self.current = self.pristine.clone();
        self.carried.reset();
    }
}
