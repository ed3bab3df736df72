//! Samples in, predictions out.

use tract_core::prelude::{TValue, TVec, tvec};

use crate::incremental::Incremental;
use crate::state::State;
use crate::window::{Full, Window};
use crate::{Error, Output, Result, TensorInfo};

/// A model run on overlapping windows of a stream of samples.
///
/// Whatever its [`Mode`], predictions come for the same windows.
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
    how: How,
}

/// How a stream gets from one window to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every window is run as a whole.
    Window,
    /// Only what a hop adds is run.
    Incremental,
    /// Every window is run as a whole, and the model's state goes from each to the next.
    Stateful,
}

/// The same, with what it takes.
#[derive(Debug)]
pub(crate) enum How {
    Windows,
    Steps(Incremental),
    Stateful,
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
        how: How,
        hop: usize,
    ) -> Result<Self> {
        let (input, [length, channels]) = the_input(inputs)?;
        let output = the_output(outputs)?;
        if hop == 0 {
            return Err(Error::ZeroHop);
        }
        if let How::Steps(steps) = &how
            && steps.hop() != hop
        {
            return Err(Error::AnotherHop {
                hop,
                made_for: steps.hop(),
            });
        }
        Ok(Self {
            input: input.clone(),
            channels,
            outputs: output.shape().iter().product(),
            window: Window::new(length, hop, channels * size_of::<f32>()),
            state,
            how,
        })
    }

    /// How it gets from one window to the next.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match self.how {
            How::Windows => Mode::Window,
            How::Steps(_) => Mode::Incremental,
            How::Stateful => Mode::Stateful,
        }
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
    /// counted as if they had been. The windows after them are the same as ever; those of a stateful stream begin from
    /// zero state, for they follow from what was passed over.
    ///
    /// # Errors
    ///
    /// [`Error::PartialSample`] if the bytes are no whole number of samples: none is taken then.
    pub fn pass_over(&mut self, mut samples: &[u8]) -> Result<()> {
        self.check_whole(samples)?;
        while self.window.fill(&mut samples).is_some() {
            if matches!(self.how, How::Stateful) {
                self.state.reset();
            }
        }
        Ok(())
    }

    /// Forget all samples and state; return how many samples were pending.
    pub fn reset(&mut self) -> u64 {
        self.state.reset();
        if let How::Steps(steps) = &mut self.how {
            steps.reset();
        }
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
            for value in run(&mut self.how, &mut self.state, &self.input, &full)? {
                predictions.push(Prediction {
                    end: full.end,
                    values: Output::new(value)?,
                });
            }
        }
        Ok(predictions)
    }
}

fn run(
    how: &mut How,
    state: &mut State,
    input: &TensorInfo,
    window: &Full,
) -> Result<TVec<TValue>> {
    match how {
        How::Steps(steps) => steps.run(state, window),
        How::Windows | How::Stateful => {
            let input = input.filled(|tensor| window.copy_to(tensor))?;
            state.run(tvec![input])
        }
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
