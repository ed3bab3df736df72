//! What can go wrong, in words for the person who has to mend it.

use tract_core::prelude::TractError;

/// The engine's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong; [`is_callers_mistake`](Self::is_callers_mistake) tells whose fault it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A run without one of the model's inputs.
    #[error("input `{name}` is missing")]
    MissingInput {
        /// The input's name.
        name: String,
    },
    /// A run with an input that the model does not have.
    #[error("unknown input `{name}`; the model takes {known}")]
    UnknownInput {
        /// The name given.
        name: String,
        /// The names there are, in backticks.
        known: String,
    },
    /// A run that gives an input twice.
    #[error("input `{name}` is given twice")]
    RepeatedInput {
        /// The input's name.
        name: String,
    },
    /// An input with too few or too many bytes.
    #[error("input `{name}` takes {expected} bytes, not {actual}")]
    InputSize {
        /// The input's name.
        name: String,
        /// The size its type and shape ask for, in bytes.
        expected: usize,
        /// The size given, in bytes.
        actual: usize,
    },
    /// A boolean input with a byte that is neither 0 nor 1.
    #[error("input `{name}` is bool, and its byte {position} is {value}, neither 0 nor 1")]
    NotBoolean {
        /// The input's name.
        name: String,
        /// Where the byte is, counted from 0.
        position: usize,
        /// The byte.
        value: u8,
    },
    /// A stream over a model that does not take one.
    #[error("a stream needs {needed}; the model has {found}")]
    NotStreamable {
        /// What a stream needs.
        needed: &'static str,
        /// What the model has instead.
        found: String,
    },
    /// A stream with a hop of 0 samples.
    #[error("`hop` must be positive, not 0")]
    ZeroHop,
    /// A stream with another hop than the model is made for.
    #[error("`hop` is {hop}, but the model is made for steps of {made_for} samples")]
    AnotherHop {
        /// The hop asked for, in samples.
        hop: usize,
        /// The model's, in samples.
        made_for: usize,
    },
    /// A push that ends within a sample.
    #[error("{bytes} bytes are no whole number of samples of {sample_bytes} bytes each")]
    PartialSample {
        /// The bytes given.
        bytes: usize,
        /// The size of one sample of all channels, in bytes.
        sample_bytes: usize,
    },
    /// An archive that cannot be loaded.
    #[error("cannot load the archive: {reason}")]
    Archive {
        /// Why.
        reason: String,
    },
    /// A model with an input or output whose shape is not fixed.
    #[error("the shape of `{tensor}` is not fixed: [{shape}]")]
    OpenShape {
        /// The input or output.
        tensor: String,
        /// Its dimensions.
        shape: String,
    },
    /// A model with an input or output of a type that does not cross the interface.
    #[error("`{tensor}` has the unsupported type {datum_type}")]
    UnsupportedType {
        /// The input or output.
        tensor: String,
        /// tract's name of the type.
        datum_type: String,
    },
    /// A run that tract gave up.
    #[error("the run failed: {reason}")]
    Run {
        /// tract's reason.
        reason: String,
    },
    /// A panic inside tract, caught.
    #[error("the engine panicked: {reason}")]
    Panicked {
        /// The panic's message.
        reason: String,
    },
    /// An ONNX model that cannot be turned into an archive.
    #[error("cannot import the model: {reason}")]
    Import {
        /// Why, with the operator at fault where tract names it.
        reason: String,
    },
}

impl Error {
    /// Whether the call was wrong, rather than the model or the engine.
    #[must_use]
    pub fn is_callers_mistake(&self) -> bool {
        matches!(
            self,
            Self::MissingInput { .. }
                | Self::UnknownInput { .. }
                | Self::RepeatedInput { .. }
                | Self::InputSize { .. }
                | Self::NotBoolean { .. }
                | Self::NotStreamable { .. }
                | Self::ZeroHop
                | Self::AnotherHop { .. }
                | Self::PartialSample { .. }
        )
    }

    pub(crate) fn archive(error: &TractError) -> Self {
        Self::Archive {
            reason: reason(error),
        }
    }

    pub(crate) fn run(error: &TractError) -> Self {
        Self::Run {
            reason: reason(error),
        }
    }

    #[cfg(feature = "import")]
    pub(crate) fn import(error: &TractError) -> Self {
        Self::Import {
            reason: reason(error),
        }
    }
}

/// The longest reason, in characters: some of tract's errors print whole nodes.
const REASON_LIMIT: usize = 600;

/// A tract error and its causes on one line, without the backtraces that anyhow adds when
/// `RUST_BACKTRACE` is set.
fn reason(error: &TractError) -> String {
    let causes: Vec<String> = error
        .chain()
        .map(|cause| one_line(&cause.to_string()))
        .collect();
    shorten(&causes.join(": "))
}

fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let told = lines.take_while(|line| !line.eq_ignore_ascii_case("stack backtrace:"));
    told.filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(REASON_LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_without_backtrace() {
        let error = TractError::msg("inner\nStack backtrace:\n  0: main").context("outer");
        assert_eq!(reason(&error), "outer: inner");
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let cut = reason(&TractError::msg("é".repeat(REASON_LIMIT + 1)));
        assert_eq!(cut.chars().count(), REASON_LIMIT + 1);
        assert!(cut.ends_with('…'));
    }
}
