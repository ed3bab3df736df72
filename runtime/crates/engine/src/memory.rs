//! Counting what is allocated.

#![expect(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

/// The system allocator, counted. A program that wants [`memory`] to count installs it:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: edgekit_engine::CountingAllocator = edgekit_engine::CountingAllocator;
/// # let before = edgekit_engine::memory().allocations;
/// # let _kept = vec![0_u8; 100];
/// # assert!(edgekit_engine::memory().allocations > before);
/// ```
#[derive(Debug)]
pub struct CountingAllocator;

/// What [`CountingAllocator`] has counted since the program started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes asked for and not given back yet.
    pub live_bytes: usize,
    /// The most that was live at once since the last [`reset_peak`].
    pub peak_bytes: usize,
    /// How often memory was asked for, counting a reallocation as one.
    pub allocations: usize,
}

/// Read the counters. Other threads go on counting meanwhile.
#[must_use]
pub fn memory() -> Memory {
    let live_bytes = LIVE.load(Relaxed);
    Memory {
        live_bytes,
        peak_bytes: PEAK.load(Relaxed).max(live_bytes),
        allocations: ALLOCATIONS.load(Relaxed),
    }
}

/// Set the peak to what is live now.
pub fn reset_peak() {
    PEAK.store(LIVE.load(Relaxed), Relaxed);
}

fn add(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Relaxed).wrapping_add(bytes);
    PEAK.fetch_max(live, Relaxed);
    ALLOCATIONS.fetch_add(1, Relaxed);
}

fn remove(bytes: usize) {
    LIVE.fetch_sub(bytes, Relaxed);
}

// SAFETY: every call goes to `System` as it came; counting touches atomics only, so it neither
// allocates nor unwinds.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps `alloc`'s contract.
        let block = unsafe { System.alloc(layout) };
        if !block.is_null() {
            add(layout.size());
        }
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps `alloc_zeroed`'s contract.
        let block = unsafe { System.alloc_zeroed(layout) };
        if !block.is_null() {
            add(layout.size());
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract, and `block` came from `System`.
        unsafe { System.dealloc(block, layout) };
        remove(layout.size());
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps `realloc`'s contract, and `block` came from `System`.
        let moved = unsafe { System.realloc(block, layout, size) };
        if !moved.is_null() {
            remove(layout.size());
            add(size);
        }
        moved
    }
}
