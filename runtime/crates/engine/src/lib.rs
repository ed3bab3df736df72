//! EdgeKit's inference engine: tract behind [`Session`] and [`Stream`].
//!
//! A model arrives as an *archive*, the bytes of a `model.nnef.tar`. Tensors cross the interface as
//! raw little-endian bytes in row-major order. No thread is started, nothing is read from disk, and
//! nothing in here panics: what goes wrong is an [`Error`].

#[cfg(target_endian = "big")]
compile_error!(
    "tensors cross the interface as the machine's own bytes, which must be little-endian"
);

mod archive;
mod carried;
mod contain;
mod error;
mod flush_to_zero;
#[cfg(feature = "import")]
mod import;
mod incremental;
mod kernels;
mod memory;
mod names;
mod registry;
mod session;
mod state;
mod stream;
mod tensor;
mod window;

pub use error::{Error, Result};
#[cfg(feature = "import")]
pub use import::{CarriedNames, import_onnx};
pub use kernels::{Kernels, kernels};
pub use memory::{CountingAllocator, Memory, memory, reset_peak};
pub use registry::{ENGINE, VERSION, registries};
pub use session::Session;
pub use stream::{Mode, Prediction, Stream};
pub use tensor::{Output, TensorInfo};
