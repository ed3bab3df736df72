//! Which matrix kernels this build holds, and which of them this machine's CPU is given.
//!
//! tract's build leaves a kernel out, without a word, when the assembler cannot encode it; and at run time it
//! tells CPUs apart by `/proc/cpuinfo`, which an emulator may show wrongly. So both are asked of the running engine.

use tract_core::prelude::DatumType;
use tract_core::tract_linalg::mmm::{Query, suitable_named};
use tract_core::tract_linalg::{MmmDispatch, isa};

/// What [`kernels`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernels {
    /// The set that float32 models run on: the core it is tuned for (`a53`, `a72`, `generic`, …) where NEON's
    /// answers, else the instruction set that does (`sve2`, `avx512f`, `fma`, …).
    pub chosen: &'static str,
    /// The kernel that multiplies two float32 matrices of 64 rows and columns.
    pub float32: &'static str,
    /// Every matrix kernel that this build holds and this CPU can run, by name, in order.
    pub available: Vec<String>,
}

/// Ask tract's live registry. `TRACT_CPU_AARCH64_KIND`, where set before the first call, says which core this is.
#[must_use]
pub fn kernels() -> Kernels {
    let dispatch = MmmDispatch::native();
    let query = Query::plain(DatumType::F32, Some(64), Some(64), Some(64));
    let suitable = dispatch.suitable(&query);
    let answer = dispatch.tiers().iter().find_map(|tier| {
        let kernel = (tier.preferred)(&isa::native(), DatumType::F32, &query, &suitable)?;
        suitable_named(&suitable, kernel).map(|_| (tier.name, kernel))
    });
    let (tier, float32) = answer.unwrap_or(("generic", "generic"));
    let built = dispatch.runnable().iter().filter(|kernel| kernel.built());
    Kernels {
        chosen: core(tier).unwrap_or(tier),
        float32,
        available: built.map(|kernel| kernel.name().to_owned()).collect(),
    }
}

/// The core that NEON's kernels are chosen for.
#[cfg(target_arch = "aarch64")]
fn core(tier: &str) -> Option<&'static str> {
    use tract_core::tract_linalg::arm64::Kind;

    (tier == "arm64simd").then(|| match Kind::choose() {
        Kind::CortexA53 => "a53",
        Kind::CortexA55 => "a55",
        Kind::CortexA72 => "a72",
        Kind::CortexA73 => "a73",
        Kind::CortexA75 => "a75",
        Kind::Neoverse => "neoverse",
        Kind::AppleM | Kind::Generic => "generic",
    })
}

/// Other CPUs are told apart by their instruction sets alone.
#[cfg(not(target_arch = "aarch64"))]
fn core(_tier: &str) -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_kernel_is_among_those_there_are() {
        let kernels = kernels();
        assert!(kernels.available.iter().any(|name| name == kernels.float32));
        assert!(kernels.available.is_sorted());
    }

    #[cfg(target_arch = "aarch64")]
    #[test]
    fn a_core_with_kernels_of_its_own_runs_on_them() {
        let kernels = kernels();
        let suffix = match kernels.chosen {
            own @ ("a53" | "a55") => own,
            _ => "gen",
        };
        assert!(kernels.float32.ends_with(suffix), "{kernels:?}");
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_chosen_set_follows_the_instruction_set() {
        let (set, prefix) = if is_x86_feature_detected!("avx512f") {
            ("avx512f", "avx512_mmm_f32")
        } else if is_x86_feature_detected!("fma") {
            ("fma", "fma_mmm_f32")
        } else {
            return;
        };
        let kernels = kernels();
        assert_eq!(kernels.chosen, set);
        assert!(kernels.float32.starts_with(prefix), "{kernels:?}");
    }
}
