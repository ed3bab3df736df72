//! Streams against windows cut by hand.

use crate::support::{adding, doubling, floats, panicking, remembering, several, to_floats};
use edgekit_engine::{Error, Mode, Session, Stream};
use proptest::prelude::*;

const CHANNELS: usize = 2;

fn stream(window: usize, hop: usize) -> Stream {
    Session::load(&doubling(window, CHANNELS))
        .unwrap()
        .stream(hop)
        .unwrap()
}

/// Sample `i` is `[2i, 2i + 1]`.
fn samples(range: std::ops::Range<u16>) -> Vec<u8> {
    floats(
        &range
            .flat_map(|i| [f32::from(2 * i), f32::from(2 * i + 1)])
            .collect::<Vec<_>>(),
    )
}

/// What a doubling model says of samples `end - window` to `end - 1`.
fn doubled(end: u64, window: usize) -> Vec<f32> {
    let (start, end) = (
        u16::try_from(end).unwrap() - u16::try_from(window).unwrap(),
        u16::try_from(end).unwrap(),
    );
    (2 * start..2 * end)
        .map(|value| 2.0 * f32::from(value))
        .collect()
}

#[test]
fn a_stream_is_described() {
    let stream = stream(8, 3);
    assert_eq!((stream.window(), stream.hop()), (8, 3));
    assert_eq!((stream.channels(), stream.outputs()), (CHANNELS, 16));
}

#[test]
fn one_block_and_single_samples_give_the_same() {
    let (mut whole, mut single) = (stream(5, 2), stream(5, 2));
    let at_once = whole.push(&samples(0..23)).unwrap();
    let one_by_one: Vec<_> = (0..23)
        .flat_map(|i| single.push(&samples(i..i + 1)).unwrap())
        .collect();
    let ends: Vec<u64> = at_once.iter().map(|it| it.end).collect();
    assert_eq!(ends, [5, 7, 9, 11, 13, 15, 17, 19, 21, 23]);
    for (a, b) in at_once.iter().zip(&one_by_one) {
        assert_eq!(a.end, b.end);
        assert_eq!(a.values.bytes(), b.values.bytes());
    }
    assert_eq!(at_once.len(), one_by_one.len());
}

#[test]
fn a_partial_sample_is_refused_and_nothing_taken() {
    let mut stream = stream(4, 4);
    stream.push(&samples(0..3)).unwrap();
    let error = stream.push(&[0; 9]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "9 bytes are no whole number of samples of 8 bytes each"
    );
    assert!(error.is_callers_mistake());
    assert_eq!(stream.pending(), 3);
    assert_eq!(stream.push(&samples(3..4)).unwrap().len(), 1);
}

#[test]
fn sessions_and_streams_have_states_of_their_own() {
    let session = Session::load(&doubling(2, CHANNELS)).unwrap();
    let (mut one, mut other) = (session.stream(1).unwrap(), session.stream(2).unwrap());
    one.push(&samples(0..1)).unwrap();
    assert_eq!((one.pending(), other.pending()), (1, 0));
    other.push(&samples(0..4)).unwrap();
    assert_eq!((one.reset(), one.pending(), other.pending()), (1, 0, 0));
}

#[test]
fn what_does_not_stream_says_why() {
    let refusal = |archive: &[u8], hop| Session::load(archive).unwrap().stream(hop).unwrap_err();
    let cases = [
        (
            refusal(&several(), 1),
            "a stream needs one float32 input [time, channel]; the model has 3 inputs",
        ),
        (
            refusal(&panicking(), 1),
            "a stream needs one float32 input [time, channel]; the model has one int32 input [1]",
        ),
        (refusal(&doubling(4, 2), 0), "`hop` must be positive, not 0"),
    ];
    for (error, message) in cases {
        assert_eq!(error.to_string(), message);
        assert!(error.is_callers_mistake());
    }
    assert_eq!(refusal(&doubling(4, 2), 0), Error::ZeroHop);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_window_arrives_once_with_its_samples(
        window in 1_usize..9,
        hop in 1_usize..20,
        blocks in proptest::collection::vec(0_u16..40, 1..12),
    ) {
        let mut stream = stream(window, hop);
        let (mut received, mut ends) = (0, vec![]);
        for block in blocks {
            let bytes = samples(received..received + block);
            let due = stream.due(bytes.len());
            let predictions = stream.push(&bytes).unwrap();
            prop_assert_eq!(predictions.len() as u64, due);
            received += block;
            for prediction in predictions {
                prop_assert_eq!(to_floats(prediction.values.bytes()), doubled(prediction.end, window));
                ends.push(prediction.end);
            }
        }
        let expected: Vec<u64> =
            (window as u64..=u64::from(received)).step_by(hop).collect();
        prop_assert_eq!(ends, expected);
    }
}

/// Numbers from 1 on, one channel.
fn count(range: std::ops::Range<u16>) -> Vec<u8> {
    floats(&range.map(|i| f32::from(i) + 1.0).collect::<Vec<_>>())
}

#[test]
fn a_stream_knows_how_it_runs() {
    let mode = |archive: &[u8], hop| Session::load(archive).unwrap().stream(hop).unwrap().mode();
    assert_eq!(mode(&doubling(4, 1), 2), Mode::Window);
    assert_eq!(mode(&remembering(5, 2), 2), Mode::Incremental);
    assert_eq!(mode(&adding(4), 2), Mode::Stateful);
}

#[test]
fn a_model_of_one_hop_takes_no_other() {
    let session = Session::load(&remembering(5, 2)).unwrap();
    let error = session.stream(3).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`hop` is 3, but the model is made for steps of 2 samples"
    );
    assert!(error.is_callers_mistake());
}

#[test]
fn state_goes_from_window_to_window_until_reset() {
    let mut stream = Session::load(&adding(2)).unwrap().stream(1).unwrap();
    let sums = |stream: &mut Stream| -> Vec<Vec<f32>> {
        let predictions = stream.push(&floats(&[1.0, 2.0, 3.0])).unwrap();
        predictions
            .iter()
            .map(|it| to_floats(it.values.bytes()))
            .collect()
    };
    let first = sums(&mut stream);
    assert_eq!(first, [[1.0, 2.0], [3.0, 5.0]]);
    assert_ne!(sums(&mut stream)[0], first[0]);
    stream.reset();
    assert_eq!(sums(&mut stream), first);
}

#[test]
fn a_window_passed_over_ends_the_state() {
    let mut stream = Session::load(&adding(2)).unwrap().stream(2).unwrap();
    let mut push = |values: [f32; 2], is_run: bool| {
        let samples = floats(&values);
        if !is_run {
            stream.pass_over(&samples).unwrap();
            return vec![];
        }
        to_floats(stream.push(&samples).unwrap()[0].values.bytes())
    };
    assert_eq!(push([1.0, 2.0], true), [1.0, 2.0]);
    assert_eq!(push([1.0, 2.0], true), [2.0, 4.0]);
    assert!(push([5.0, 5.0], false).is_empty());
    assert_eq!(push([1.0, 2.0], true), [1.0, 2.0]);
}

#[derive(Debug, Clone)]
enum Step {
    Push(u16),
    PassOver(u16),
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0_u16..30).prop_map(Step::Push),
        3 => (0_u16..30).prop_map(Step::PassOver),
        1 => Just(Step::Reset),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The model gives the samples that it believes to be the window: any other than the true ones would be seen.
    #[test]
    fn steps_see_the_same_windows_whatever_is_pushed_passed_over_or_reset(
        window in 1_usize..12,
        hop in 1_usize..12,
        steps in proptest::collection::vec(step(), 1..20),
    ) {
        let hop = hop.min(window);
        prop_assume!(hop < window);
        let mut stream = Session::load(&remembering(window, hop)).unwrap().stream(hop).unwrap();
        let mut whole = Session::load(&doubling(window, 1)).unwrap().stream(hop).unwrap();
        let mut received = 0;
        for step in steps {
            match step {
                Step::Push(samples) => {
                    let block = count(received..received + samples);
                    let expected = whole.push(&block).unwrap();
                    prop_assert_eq!(stream.due(block.len()), expected.len() as u64);
                    let found = stream.push(&block).unwrap();
                    prop_assert_eq!(found.len(), expected.len());
                    for (found, expected) in found.iter().zip(expected) {
                        prop_assert_eq!(found.end, expected.end);
                        let halved: Vec<_> =
                            to_floats(expected.values.bytes()).iter().map(|value| value / 2.0).collect();
                        prop_assert_eq!(to_floats(found.values.bytes()), halved);
                    }
                    received += samples;
                }
                Step::PassOver(samples) => {
                    let block = count(received..received + samples);
                    whole.pass_over(&block).unwrap();
                    stream.pass_over(&block).unwrap();
                    received += samples;
                }
                Step::Reset => {
                    prop_assert_eq!(stream.reset(), whole.reset());
                    received = 0;
                }
            }
            prop_assert_eq!([stream.pending(), stream.skipped()], [whole.pending(), whole.skipped()]);
        }
    }
}
