//! Samples in, predictions out.

use tract_core::prelude::tvec;

use crate::state::State;
use crate::window::Window;
use crate::{Error, Output, Result, TensorInfo};

/// A model run on overlapping windows of a stream of samples.
///
/// The first window is full after [`window`](Self::window) samples, and one every [`hop`](Self::hop)
/// samples after that. A sample is one `float32` per channel.
#[derive(Debug)]
pub struct Stream {
    input: TensorInfo,
    channels: usize,
    outputs: usize,
    window: Window,
    state: State,
}

/// What the model says of one window.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// One past the window's last sample, counted from the last reset.
    pub end: u64,
    /// The model's output, [`outputs`](Stream::outputs) `float32` numbers.
    pub values: Output,
}

impl Stream {
    pub(crate) fn new(
        inputs: &[TensorInfo],
        outputs: &[TensorInfo],
        state: State,
        hop: usize,
    ) -> Result<Self> {
        let (input, [length, channels]) = the_input(inputs)?;
        let output = the_output(outputs)?;
        if hop == 0 {
            return Err(Error::ZeroHop);
        }
        Ok(Self {
            input: input.clone(),
            channels,
            outputs: output.shape().iter().product(),
            window: Window::new(length, hop, channels * size_of::<f32>()),
            state,
        })
    }

    /// The length of a window, in samples.
    #[must_use]
    pub fn window(&self) -> usize {
        self.window.length()
    }

    /// From one window's start to the next one's, in samples.
    #[must_use]
    pub fn hop(&self) -> usize {
        self.window.hop()
    }

    /// Numbers in a sample.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Numbers in a prediction.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Samples received since the last reset that no window has held yet.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.window.pending()
    }

    /// Samples received since the last reset that no window will ever hold: those between windows, if the
    /// hop is longer than the window.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.window.skipped()
    }

    /// How often a [`push`](Self::push) of that many bytes would run the model.
    #[must_use]
    pub fn due(&self, bytes: usize) -> u64 {
        self.window.due(bytes / self.window.sample_bytes())
    }

    /// Add samples, `float32` `[time, channel]`, any number of them; return the predictions they complete.
    ///
    /// # Errors
    ///
    /// [`Error::PartialSample`] if the bytes are no whole number of samples: none is taken then.
    /// [`Error::Run`] or [`Error::Panicked`] if tract fails: the stream is reset then.
    pub fn push(&mut self, samples: &[u8]) -> Result<Vec<Prediction>> {
        self.check_whole(samples)?;
        let predictions = self.predict(samples);
        if predictions.is_err() {
            self.reset();
        }
        predictions
    }

    /// Add samples as [`push`](Self::push) does, but pass over the windows they complete: none is run, and all are
    /// counted as if they had been. The windows after them are the same as ever.
    ///
    /// # Errors
    ///
    /// [`Error::PartialSample`] if the bytes are no whole number of samples: none is taken then.
    pub fn pass_over(&mut self, mut samples: &[u8]) -> Result<()> {
        self.check_whole(samples)?;
        while self.window.fill(&mut samples).is_some() {}
        Ok(())
    }

    /// Forget all samples and state; return how many samples were pending.
    pub fn reset(&mut self) -> u64 {
        self.state.reset();
        self.window.reset()
    }

    fn check_whole(&self, samples: &[u8]) -> Result<()> {
        let sample_bytes = self.window.sample_bytes();
        if samples.len().is_multiple_of(sample_bytes) {
            return Ok(());
        }
        Err(Error::PartialSample {
            bytes: samples.len(),
            sample_bytes,
        })
    }

    fn predict(&mut self, mut samples: &[u8]) -> Result<Vec<Prediction>> {
        let mut predictions = Vec::new();
        while let Some(full) = self.window.fill(&mut samples) {
            let input = self.input.filled(|tensor| full.copy_to(tensor))?;
            for value in self.state.run(tvec![input])? {
                predictions.push(Prediction {
                    end: full.end,
                    values: Output::new(value)?,
                });
            }
        }
        Ok(predictions)
    }
}

/// The input, and its length and channels.
fn the_input(inputs: &[TensorInfo]) -> Result<(&TensorInfo, [usize; 2])> {
    let found = match inputs {
        [input] => match input.shape() {
            &[length, channels] if input.is_f32() && length > 0 && channels > 0 => {
                return Ok((input, [length, channels]));
            }
            shape => format!("one {} input {shape:?}", input.dtype()),
        },
        _ => format!("{} inputs", inputs.len()),
    };
    Err(Error::NotStreamable {
        needed: "one float32 input [time, channel]",
        found,
    })
}

fn the_output(outputs: &[TensorInfo]) -> Result<&TensorInfo> {
    let found = match outputs {
        [output] if output.is_f32() => return Ok(output),
        [output] => format!("one {} output", output.dtype()),
        _ => format!("{} outputs", outputs.len()),
    };
    Err(Error::NotStreamable {
        needed: "one float32 output",
        found,
    })
}
