//! The engine from outside.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod archive;
#[cfg(feature = "import")]
mod import;
mod session;
mod stream;
