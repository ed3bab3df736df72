//! `edgekit_probe`: one function, to see that a toolchain makes modules that load.

#[pyo3::pymodule]
mod edgekit_probe {
    use pyo3::pyfunction;

    /// Return the architecture that this was built for.
    #[pyfunction]
    fn architecture() -> &'static str {
        std::env::consts::ARCH
    }
}
