//! Flushing subnormal floats to zero while a model runs.
//!
//! Numbers below 1.2e-38 take a CPU tens of times as long as others, and a recurrent model's decaying
//! state is full of them. The setting is the thread's, so it is put back: the host language's own
//! floats keep their subnormals.

#![expect(
    unsafe_code,
    reason = "the floating-point control register takes inline assembly"
)]

use std::marker::PhantomData;

/// Subnormals are zero on this thread for as long as this lives, also when it is left by a panic.
pub(crate) struct FlushToZero {
    before: control::Register,
    /// Not `Send`: the register is the thread's.
    _thread: PhantomData<*const ()>,
}

impl FlushToZero {
    pub(crate) fn on() -> Self {
        let before = control::read();
        control::write(before | control::FLUSH);
        Self {
            before,
            _thread: PhantomData,
        }
    }
}

impl Drop for FlushToZero {
    fn drop(&mut self) {
        control::write(self.before);
    }
}

#[cfg(target_arch = "x86_64")]
mod control {
    use std::arch::asm;

    pub(super) type Register = u32;

    /// MXCSR: flush-to-zero (bit 15) for results, denormals-are-zero (bit 6) for operands.
    pub(super) const FLUSH: Register = 1 << 15 | 1 << 6;

    pub(super) fn read() -> Register {
        let mut register = 0;
        // SAFETY: stores the four bytes of MXCSR into a local that holds four bytes.
        unsafe {
            asm!("stmxcsr [{}]", in(reg) &raw mut register, options(nostack, preserves_flags));
        }
        register
    }

    pub(super) fn write(register: Register) {
        // SAFETY: loads what `read` gave, with FLUSH's bits, which every x86_64 has, set or not; no exception
        // is unmasked. The compiler takes it that subnormals are kept; between setting and putting back only
        // a model runs, whose results are meant to differ in just that.
        unsafe {
            asm!("ldmxcsr [{}]", in(reg) &raw const register, options(nostack, preserves_flags));
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod control {
    use std::arch::asm;

    pub(super) type Register = u64;

    /// FPCR.FZ: single- and double-precision subnormals are zero, as operands and as results.
    pub(super) const FLUSH: Register = 1 << 24;

    pub(super) fn read() -> Register {
        let register;
        // SAFETY: reads FPCR, which every program may.
        unsafe {
            asm!("mrs {}, fpcr", out(reg) register, options(nomem, nostack, preserves_flags));
        }
        register
    }

    pub(super) fn write(register: Register) {
        // SAFETY: writes what `read` gave, with FZ set or not; no trap is enabled. The compiler takes it that
        // subnormals are kept; between setting and putting back only a model runs, whose results are meant to
        // differ in just that.
        unsafe {
            asm!("msr fpcr, {}", in(reg) register, options(nostack, preserves_flags));
        }
    }
}

/// Elsewhere nothing changes; 32-bit ARM's NEON flushes subnormals anyway.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod control {
    pub(super) type Register = u32;
    pub(super) const FLUSH: Register = 0;

    pub(super) fn read() -> Register {
        0
    }

    pub(super) fn write(_register: Register) {}
}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use super::*;
    use std::hint::black_box;
    use std::panic::catch_unwind;

    /// A subnormal result, computed when asked for rather than by the compiler.
    fn subnormal() -> f32 {
        black_box(f32::MIN_POSITIVE) / black_box(2.0)
    }

    #[test]
    fn subnormals_are_zero_inside_and_themselves_again_outside() {
        assert!(subnormal() > 0.0);
        let guard = FlushToZero::on();
        let inside = subnormal();
        drop(guard);
        assert!(inside.to_bits() == 0, "{inside:e}");
        assert!(subnormal() > 0.0);
    }

    #[test]
    fn a_panic_puts_it_back() {
        let panicked = catch_unwind(|| {
            let _guard = FlushToZero::on();
            std::panic::resume_unwind(Box::new("inside"));
        });
        assert!(panicked.is_err());
        assert!(subnormal() > 0.0);
    }
}
