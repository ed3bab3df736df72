//! What a run and a push cost beyond the model: it only doubles its input.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark fails by panicking"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use edgekit_engine::{CountingAllocator, Session};
use support::doubling;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const WINDOW: usize = 128;
const CHANNELS: usize = 6;
const SAMPLE_BYTES: usize = CHANNELS * size_of::<f32>();

fn load(criterion: &mut Criterion) {
    let archive = doubling(WINDOW, CHANNELS);
    criterion.bench_function("load", |bench| {
        bench.iter(|| Session::load(black_box(&archive)).unwrap());
    });
}

fn run(criterion: &mut Criterion) {
    let mut session = Session::load(&doubling(WINDOW, CHANNELS)).unwrap();
    let input = vec![0; WINDOW * SAMPLE_BYTES];
    criterion.bench_function("run", |bench| {
        bench.iter(|| session.run(&[("x", black_box(&input))]).unwrap());
    });
}

fn push(criterion: &mut Criterion) {
    let session = Session::load(&doubling(WINDOW, CHANNELS)).unwrap();
    let mut group = criterion.benchmark_group("push");
    for (name, hop, samples) in [
        ("one sample, hop 16", 16, 1),
        ("one hop of 16", 16, 16),
        ("no prediction", usize::MAX, 1024),
    ] {
        let mut stream = session.stream(hop).unwrap();
        let block = vec![0; samples * SAMPLE_BYTES];
        group.throughput(Throughput::Elements(samples as u64));
        group.bench_function(name, |bench| {
            bench.iter(|| stream.push(black_box(&block)).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, load, run, push);
criterion_main!(benches);
