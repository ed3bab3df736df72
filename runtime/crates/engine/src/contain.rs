//! Keeping tract's panics inside the engine.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::{Error, Result};

thread_local! {
    /// Whether a panic on this thread is going to be caught and told as an error.
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Do `work`; a panic in it becomes [`Error::Panicked`] and is not printed.
///
/// Whatever `work` changes must be thrown away or put back by the caller if this fails.
pub(crate) fn contain<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    quieten();
    let outer = CONTAINED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(outer);
    done.unwrap_or_else(|panic| {
        Err(Error::Panicked {
            reason: message(panic.as_ref()),
        })
    })
}

/// Put a hook before the panic hook that is there; it passes on every panic but the contained ones.
fn quieten() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !CONTAINED.get() {
                before(panic);
            }
        }));
    });
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_message() {
        let number = 7;
        let formatted = contain::<()>(|| panic!("no entry {number}"));
        let literal = contain::<()>(|| panic!("plain"));
        assert_eq!(
            formatted,
            Err(Error::Panicked {
                reason: "no entry 7".into()
            })
        );
        assert_eq!(
            literal,
            Err(Error::Panicked {
                reason: "plain".into()
            })
        );
    }

    #[test]
    fn nested_containment_ends_with_the_outer_one() {
        let done = contain(|| {
            let inner = contain::<()>(|| panic!("inner"));
            assert!(inner.is_err());
            assert!(CONTAINED.get());
            Ok(1)
        });
        assert_eq!(done, Ok(1));
        assert!(!CONTAINED.get());
    }
}
