//! Running does not gather memory. Alone in its program, so that nothing else allocates meanwhile.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use edgekit_engine::{CountingAllocator, Session, memory, reset_peak};
use support::{adding, doubling, remembering};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Steps of a model that carries its state; a million take twenty seconds without optimisation.
const PUSHES: usize = if cfg!(debug_assertions) {
    50_000
} else {
    1_000_000
};

fn run(session: &mut Session, times: usize) -> usize {
    let input = vec![0; 8 * 3 * 4];
    for _ in 0..times {
        session.run(&[("x", &input)]).unwrap();
    }
    drop(input);
    memory().live_bytes
}

fn push(stream: &mut edgekit_engine::Stream, times: usize) -> usize {
    for _ in 0..times {
        stream.push(&[0; 5 * 3 * 4]).unwrap();
    }
    memory().live_bytes
}

#[test]
fn memory_stays_where_it_is() {
    let mut session = Session::load(&doubling(8, 3)).unwrap();
    let early = run(&mut session, 1_000);
    assert_eq!(run(&mut session, 19_000), early);

    let mut stream = session.stream(4).unwrap();
    let early = push(&mut stream, 1_000);
    assert_eq!(push(&mut stream, 19_000), early);

    for (archive, hop) in [(remembering(8, 2), 2), (adding(8), 4)] {
        let mut stateful = Session::load(&archive).unwrap().stream(hop).unwrap();
        let mut push = |times: usize| {
            for _ in 0..times {
                stateful.push(&[0; 5 * 4]).unwrap();
            }
            memory().live_bytes
        };
        let early = push(1_000);
        assert_eq!(push(PUSHES), early);
    }

    reset_peak();
    let before = memory();
    assert_eq!(before.peak_bytes, before.live_bytes);
    drop(std::hint::black_box(vec![0_u8; 1 << 20]));
    let after = memory();
    assert_eq!(after.live_bytes, before.live_bytes);
    assert!(after.peak_bytes >= before.live_bytes + (1 << 20));
    assert!(after.allocations > before.allocations);

    drop(stream);
    drop(session);
    assert!(memory().live_bytes < before.live_bytes);
}
