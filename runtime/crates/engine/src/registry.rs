//! The operators an archive may use. Loading and writing go through the same ones, on every machine.

use std::sync::OnceLock;

use tract_extra::WithTractExtra;
use tract_nnef::framework::Nnef;
use tract_nnef::internal::{DatLoader, GraphNnefLoader, GraphQuantLoader, ResourceLoader};
use tract_onnx_opl::WithOnnx;
use tract_pulse_opl::prelude::WithPulse;

/// What runs the models.
pub const ENGINE: &str = "tract";

/// tract's version; the workspace pins it.
pub const VERSION: &str = "0.23.9";

/// The names of the operator registries, in the order they are asked.
#[must_use]
pub fn registries() -> Vec<&'static str> {
    nnef()
        .registries
        .iter()
        .map(|registry| registry.id.0.as_str())
        .collect()
}

/// The one NNEF context: making one parses NNEF's standard library, which takes 5 ms.
pub(crate) fn nnef() -> &'static Nnef {
    static NNEF: OnceLock<Nnef> = OnceLock::new();
    NNEF.get_or_init(|| {
        let mut nnef = tract_nnef::nnef()
            .with_tract_extra()
            .with_onnx()
            .with_pulse();
        nnef.resource_loaders = vec![
            GraphNnefLoader.into_boxed(),
            GraphQuantLoader.into_boxed(),
            DatLoader.into_boxed(),
        ];
        nnef
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registries_are_those_that_manifests_name() {
        assert_eq!(
            registries(),
            [
                "tract_nnef",
                "tract_core",
                "tract_extra",
                "tract_onnx",
                "tract_pulse"
            ]
        );
    }

    #[test]
    fn the_version_is_the_pinned_one() {
        let pins = include_str!("../../../Cargo.toml");
        let pinned = pins.lines().filter(|line| line.starts_with("tract-"));
        assert!(pinned.clone().count() > 0);
        for line in pinned {
            assert!(line.contains(&format!("\"={VERSION}\"")), "{line}");
        }
    }
}
