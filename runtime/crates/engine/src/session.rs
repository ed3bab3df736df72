//! A loaded model.

use std::sync::Arc;
#[cfg(feature = "import")]
use std::time::Duration;

use tract_core::prelude::{Framework, OutletId, TValue, TVec, TypedModel, TypedSimplePlan};

use crate::carried::{Carried, Form};
use crate::contain::contain;
use crate::incremental::Incremental;
use crate::names::{self, Side};
use crate::registry::nnef;
use crate::state::State;
use crate::stream::How;
use crate::window::Full;
use crate::{Error, Output, Result, Stream, TensorInfo, archive};

/// A loaded model: any number of named tensors of fixed shape in and out.
///
/// State that the model takes and gives as tensors is none of them: it is zero at first and goes from run to run. A
/// model that is made for one hop of a stream takes a whole window all the same, and then remembers nothing of it.
#[derive(Debug)]
pub struct Session {
    inputs: Arc<[TensorInfo]>,
    outputs: Arc<[TensorInfo]>,
    state: State,
    /// For a model of one hop.
    steps: Option<Incremental>,
    is_stateful: bool,
}

impl Session {
    /// Load and optimise the model in `archive`, the bytes of an uncompressed `model.nnef.tar`.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`] if it is no NNEF archive with operators this engine has, [`Error::OpenShape`] or
    /// [`Error::UnsupportedType`] for an input or output that cannot cross the interface,
    /// [`Error::Panicked`] if tract trips over it.
    pub fn load(archive: &[u8]) -> Result<Self> {
        contain(|| {
            archive::check(archive)?;
            Self::new(
                nnef()
                    .model_for_read(&mut &*archive)
                    .map_err(|error| Error::archive(&error))?,
            )
        })
    }

    fn new(model: TypedModel) -> Result<Self> {
        let inputs = describe(&model, Side::Input, &model.inputs)?;
        let outputs = describe(&model, Side::Output, &model.outputs)?;
        let form = Form::read(&model, &inputs, &outputs)?;
        let plan = model.into_optimized().and_then(TypedSimplePlan::new);
        let plan = plan.map_err(|error| Error::archive(&error))?;
        let state = State::new(&plan, Carried::new(&form, &inputs)?)?;
        let mut given: Vec<_> = form.given(&inputs).cloned().collect();
        let mut steps = None;
        if let Some(window) = form.window {
            // One input [time, channel], as the form was checked.
            let whole = given[0].with_length(window);
            let hop = std::mem::replace(&mut given[0], whole);
            steps = Some(Incremental::new(hop, window));
        }
        Ok(Self {
            inputs: given.into(),
            outputs: form.told(&outputs).cloned().collect(),
            state,
            steps,
            is_stateful: form.window.is_none() && !form.pairs.is_empty(),
        })
    }

    /// What a run takes.
    #[must_use]
    pub fn inputs(&self) -> &[TensorInfo] {
        &self.inputs
    }

    /// What a run gives.
    #[must_use]
    pub fn outputs(&self) -> &[TensorInfo] {
        &self.outputs
    }

    /// Run once on all inputs, named and in any order; the outputs come in the order of
    /// [`outputs`](Self::outputs).
    ///
    /// # Errors
    ///
    /// A [caller's mistake](Error::is_callers_mistake) if `inputs` are not the model's: nothing has changed
    /// then. [`Error::Run`] or [`Error::Panicked`] if tract fails: the session is reset then. It stays usable
    /// either way.
    pub fn run(&mut self, inputs: &[(&str, &[u8])]) -> Result<Vec<Output>> {
        let values = match &self.steps {
            None => {
                let values = self.values(inputs)?;
                self.state.run(values)?
            }
            Some(steps) => {
                let input = &self.inputs[0];
                self.refuse_strangers(inputs)?;
                let window = bytes_of(input.name(), inputs)?;
                input.check(window)?;
                let window = Full::only(window, input.size_bytes() / input.shape()[0]);
                let values = steps.clone().run(&mut self.state, &window);
                self.state.reset();
                values?
            }
        };
        values.into_iter().map(Output::new).collect()
    }

    /// Run `runs` times on the same inputs; return how long each kind of operator took altogether, longest first.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run).
    #[cfg(feature = "import")]
    pub fn profile(
        &mut self,
        inputs: &[(&str, &[u8])],
        runs: usize,
    ) -> Result<Vec<(String, Duration)>> {
        self.state.note_times(true);
        let done = (0..runs).try_for_each(|_| self.run(inputs).map(drop));
        let mut times: Vec<_> = self.state.note_times(false).into_iter().collect();
        times.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
        done.map(|()| times)
    }

    /// Forget all state, as if just loaded.
    pub fn reset(&mut self) {
        self.state.reset();
    }

    /// Make a stream over this model, with a state of its own: a window every `hop` samples.
    ///
    /// # Errors
    ///
    /// [`Error::NotStreamable`] unless the model has one `float32` input `[time, channel]` and one `float32`
    /// output; [`Error::ZeroHop`]; [`Error::AnotherHop`] for a model that is made for one hop.
    pub fn stream(&self, hop: usize) -> Result<Stream> {
        let state = self.state.fresh();
        let mode = match &self.steps {
            Some(steps) => How::Steps(steps.clone()),
            None if self.is_stateful => How::Stateful,
            None => How::Windows,
        };
        Stream::new(&self.inputs, &self.outputs, state, mode, hop)
    }

    fn values(&self, inputs: &[(&str, &[u8])]) -> Result<TVec<TValue>> {
        self.refuse_strangers(inputs)?;
        self.inputs
            .iter()
            .map(|input| input.tensor(bytes_of(input.name(), inputs)?))
            .collect()
    }

    fn refuse_strangers(&self, inputs: &[(&str, &[u8])]) -> Result<()> {
        for (name, _) in inputs {
            if !self.inputs.iter().any(|input| input.name() == *name) {
                let known: Vec<_> = self
                    .inputs
                    .iter()
                    .map(|input| format!("`{}`", input.name()))
                    .collect();
                return Err(Error::UnknownInput {
                    name: (*name).to_owned(),
                    known: known.join(", "),
                });
            }
        }
        Ok(())
    }
}

fn bytes_of<'a>(name: &str, inputs: &[(&str, &'a [u8])]) -> Result<&'a [u8]> {
    let mut found = inputs.iter().filter(|(given, _)| *given == name);
    match (found.next(), found.next()) {
        (Some((_, bytes)), None) => Ok(bytes),
        (None, _) => Err(Error::MissingInput {
            name: name.to_owned(),
        }),
        (Some(_), Some(_)) => Err(Error::RepeatedInput {
            name: name.to_owned(),
        }),
    }
}

fn describe(model: &TypedModel, side: Side, outlets: &[OutletId]) -> Result<Arc<[TensorInfo]>> {
    let infos = outlets.iter().enumerate().map(|(position, &outlet)| {
        let fact = model
            .outlet_fact(outlet)
            .map_err(|error| Error::archive(&error))?;
        TensorInfo::new(names::read(model, side, position, outlet)?, fact)
    });
    infos.collect()
}
