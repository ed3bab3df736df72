//! State that a model takes and gives: tensors that one run hands to the next.
//!
//! Which inputs and outputs these are stands in the archive's properties: `edgekit.state.0` is `1:2` where output 2
//! of a run is input 1 of the next. `edgekit.window` says how many samples make a window of a model whose input is
//! one hop, because its state holds the samples before.

#[cfg(feature = "import")]
use tract_core::internal::rctensor0;
use tract_core::prelude::{TValue, TVec, TypedModel};

use crate::{Error, Result, TensorInfo};

const WINDOW: &str = "edgekit.window";

fn state_key(position: usize) -> String {
    format!("edgekit.state.{position}")
}

/// An output of a run that is an input of the next, by their positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) input: usize,
    pub(crate) output: usize,
}

/// What an archive says of its state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Form {
    /// In order of the inputs.
    pub(crate) pairs: Vec<Pair>,
    /// The window, in samples, of a model that takes one hop.
    pub(crate) window: Option<usize>,
}

impl Form {
    /// Read what `model` says, for inputs and outputs as described.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`] if that is nonsense: no pair of numbers, an input or output that is not there or is there
    /// twice, or a pair of two shapes or types.
    pub(crate) fn read(
        model: &TypedModel,
        inputs: &[TensorInfo],
        outputs: &[TensorInfo],
    ) -> Result<Self> {
        let mut pairs = Vec::new();
        while let Some(text) = property(model, &state_key(pairs.len()))? {
            let pair = text.split_once(':').and_then(|(input, output)| {
                Some(Pair {
                    input: input.parse().ok()?,
                    output: output.parse().ok()?,
                })
            });
            pairs.push(pair.ok_or_else(|| wrong(format!("`{text}` is no pair of a state")))?);
        }
        let window = property(model, WINDOW)?
            .map(|text| text.parse::<usize>())
            .transpose()
            .map_err(|_| wrong(format!("property `{WINDOW}` is no number")))?;
        let form = Self { pairs, window };
        form.check(inputs, outputs).map_err(wrong)?;
        Ok(form)
    }

    /// Write it into the model's properties.
    #[cfg(feature = "import")]
    pub(crate) fn write(&self, model: &mut TypedModel) {
        for (position, Pair { input, output }) in self.pairs.iter().enumerate() {
            let value = rctensor0(format!("{input}:{output}"));
            model.properties.insert(state_key(position), value);
        }
        if let Some(window) = self.window {
            let value = rctensor0(window.to_string());
            model.properties.insert(WINDOW.to_owned(), value);
        }
    }

    /// Say what is wrong with it, for such inputs and outputs.
    pub(crate) fn check(
        &self,
        inputs: &[TensorInfo],
        outputs: &[TensorInfo],
    ) -> std::result::Result<(), String> {
        for (position, pair) in self.pairs.iter().enumerate() {
            let (Some(input), Some(output)) = (inputs.get(pair.input), outputs.get(pair.output))
            else {
                return Err("a state is an input or output that is not there".into());
            };
            if self.pairs[..position]
                .iter()
                .any(|it| it.input >= pair.input || it.output == pair.output)
            {
                return Err(
                    "the states are not in order of the inputs, or one is there twice".into(),
                );
            }
            if input.shape() != output.shape() || input.dtype() != output.dtype() {
                return Err(format!(
                    "state input {input} and the output {output} that it comes from are not alike"
                ));
            }
        }
        match self.window {
            None => Ok(()),
            Some(window) => self.check_window(window, inputs),
        }
    }

    fn check_window(
        &self,
        window: usize,
        inputs: &[TensorInfo],
    ) -> std::result::Result<(), String> {
        let given: Vec<_> = self.given(inputs).collect();
        match given[..] {
            [input] if input.is_f32() && input.shape().len() == 2 => {
                if (1..=window).contains(&input.shape()[0]) {
                    return Ok(());
                }
                Err(format!(
                    "a window of {window} samples does not go with {input}"
                ))
            }
            _ => Err("a model of one hop needs one float32 input [time, channel]".into()),
        }
    }

    /// The inputs that a caller gives.
    pub(crate) fn given<'a>(
        &self,
        inputs: &'a [TensorInfo],
    ) -> impl Iterator<Item = &'a TensorInfo> {
        let carried: Vec<_> = self.pairs.iter().map(|pair| pair.input).collect();
        inputs
            .iter()
            .enumerate()
            .filter(move |(position, _)| !carried.contains(position))
            .map(|(_, input)| input)
    }

    /// The outputs that a caller gets.
    pub(crate) fn told<'a>(
        &self,
        outputs: &'a [TensorInfo],
    ) -> impl Iterator<Item = &'a TensorInfo> {
        let carried: Vec<_> = self.pairs.iter().map(|pair| pair.output).collect();
        outputs
            .iter()
            .enumerate()
            .filter(move |(position, _)| !carried.contains(position))
            .map(|(_, output)| output)
    }
}

/// What goes from run to run: zeros before the first.
#[derive(Debug, Clone)]
pub(crate) struct Carried {
    pairs: Vec<Pair>,
    zeros: TVec<TValue>,
    values: TVec<TValue>,
}

impl Carried {
    /// # Errors
    ///
    /// [`Error::Run`] if there is no room for the zeros.
    pub(crate) fn new(form: &Form, inputs: &[TensorInfo]) -> Result<Self> {
        let zeros = form
            .pairs
            .iter()
            .map(|pair| inputs[pair.input].filled(|_| {}));
        let zeros: TVec<TValue> = zeros.collect::<Result<_>>()?;
        Ok(Self {
            pairs: form.pairs.clone(),
            values: zeros.clone(),
            zeros,
        })
    }

    /// Put the state among the inputs that were given, each where the graph has it.
    pub(crate) fn join(&self, inputs: &mut TVec<TValue>) {
        for (pair, value) in self.pairs.iter().zip(&self.values) {
            inputs.insert(pair.input, value.clone());
        }
    }

    /// Take the state out of the outputs of a run.
    pub(crate) fn part(&mut self, outputs: &mut TVec<TValue>) {
        for (pair, value) in self.pairs.iter().zip(&mut self.values) {
            value.clone_from(&outputs[pair.output]);
        }
        let mut position = 0;
        outputs.retain(|_| {
            position += 1;
            !self.pairs.iter().any(|pair| pair.output == position - 1)
        });
    }

    pub(crate) fn reset(&mut self) {
        self.values.clone_from(&self.zeros);
    }
}

fn property(model: &TypedModel, key: &str) -> Result<Option<String>> {
    let Some(value) = model.properties.get(key) else {
        return Ok(None);
    };
    let text = value
        .try_as_plain_ram()
        .and_then(|plain| plain.to_scalar::<String>().cloned());
    text.map(Some)
        .map_err(|_| wrong(format!("property `{key}` is no text")))
}

fn wrong(reason: String) -> Error {
    Error::Archive { reason }
}
