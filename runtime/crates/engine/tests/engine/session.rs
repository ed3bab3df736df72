//! Sessions on models made here, and what they refuse.

use crate::support::{
    adding, doubling, floats, panicking, remembering, several, symbolic, to_floats, with_properties,
};
use edgekit_engine::{Error, Session};

fn integer(value: i32) -> [u8; 4] {
    value.to_le_bytes()
}

/// Run the model of `panicking` once; return its second output.
fn before(session: &mut Session, value: i32) -> Result<i32, Error> {
    let outputs = session.run(&[("x", &integer(value))])?;
    Ok(i32::from_le_bytes(outputs[1].bytes().try_into().unwrap()))
}

#[test]
fn tensors_are_described() {
    let session = Session::load(&several()).unwrap();
    let told: Vec<_> = session.inputs().iter().chain(session.outputs()).collect();
    let told: Vec<_> = told
        .iter()
        .map(|it| (it.name(), it.dtype(), it.shape(), it.size_bytes()))
        .collect();
    assert_eq!(
        told,
        [
            ("floats", "float32", &[2][..], 8),
            ("integers", "int64", &[3], 24),
            ("flags", "bool", &[2, 1], 2),
            ("scaled", "float32", &[2], 8),
            ("sums", "int64", &[3], 24),
            ("flags", "bool", &[2, 1], 2),
        ]
    );
}

#[test]
fn inputs_come_in_any_order_and_outputs_in_the_models() {
    let mut session = Session::load(&several()).unwrap();
    let integers: Vec<u8> = [1_i64, -2, 3]
        .iter()
        .flat_map(|it| it.to_le_bytes())
        .collect();
    let inputs: [(&str, &[u8]); 3] = [
        ("flags", &[1, 0]),
        ("floats", &floats(&[1.5, -2.0])),
        ("integers", &integers),
    ];
    let outputs = session.run(&inputs).unwrap();
    let sums: Vec<u8> = [101_i64, 98, 103]
        .iter()
        .flat_map(|it| it.to_le_bytes())
        .collect();
    assert_eq!(to_floats(outputs[0].bytes()), [3.0, -4.0]);
    assert_eq!(outputs[1].bytes(), sums);
    assert_eq!(outputs[2].bytes(), [1, 0]);
}

#[test]
fn wrong_inputs_are_the_callers_mistakes_and_change_nothing() {
    let mut session = Session::load(&several()).unwrap();
    let (floats, integers) = (floats(&[1.0, 2.0]), [0; 24]);
    let good: [(&str, &[u8]); 3] = [
        ("floats", &floats),
        ("integers", &integers),
        ("flags", &[0, 1]),
    ];
    let expected = session.run(&good).unwrap();
    let with = |position: usize, input: (&'static str, &'static [u8])| {
        let mut inputs = good.to_vec();
        inputs[position] = input;
        inputs
    };
    let wrong = [
        (good[..2].to_vec(), "input `flags` is missing"),
        (vec![], "input `floats` is missing"),
        (
            with(0, ("float", &[])),
            "unknown input `float`; the model takes `floats`, `integers`, `flags`",
        ),
        (
            with(0, ("floats", &[0; 7])),
            "input `floats` takes 8 bytes, not 7",
        ),
        (
            with(1, ("integers", &[])),
            "input `integers` takes 24 bytes, not 0",
        ),
        (
            with(2, ("flags", &[0, 2])),
            "input `flags` is bool, and its byte 1 is 2, neither 0 nor 1",
        ),
        (
            [&good[..], &good[..1]].concat(),
            "input `floats` is given twice",
        ),
    ];
    for (inputs, message) in wrong {
        let error = session.run(&inputs).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(error.is_callers_mistake(), "{error}");
        let outputs = session.run(&good).unwrap();
        assert!(
            outputs
                .iter()
                .zip(&expected)
                .all(|(a, b)| a.bytes() == b.bytes())
        );
    }
}

#[test]
fn state_lasts_until_reset() {
    let mut session = Session::load(&panicking()).unwrap();
    assert_eq!(before(&mut session, 5), Ok(0));
    assert_eq!(before(&mut session, 6), Ok(5));
    session.reset();
    assert_eq!(before(&mut session, 7), Ok(0));
}

#[test]
fn state_that_is_a_tensor_is_neither_asked_for_nor_told() {
    let mut session = Session::load(&adding(2)).unwrap();
    assert_eq!((session.inputs().len(), session.outputs().len()), (1, 1));
    assert_eq!(session.inputs()[0].name(), "x");
    assert_eq!(session.outputs()[0].name(), "sums");
    let mut add = |value: f32| {
        let outputs = session.run(&[("x", &floats(&[value, 1.0]))]).unwrap();
        to_floats(outputs[0].bytes())
    };
    assert_eq!(add(1.0), [1.0, 1.0]);
    assert_eq!(add(2.0), [3.0, 2.0]);
    session.reset();
    let outputs = session.run(&[("x", &floats(&[7.0, 7.0]))]).unwrap();
    assert_eq!(to_floats(outputs[0].bytes()), [7.0, 7.0]);
}

#[test]
fn a_model_of_one_hop_takes_whole_windows_and_forgets_them() {
    let mut session = Session::load(&remembering(5, 2)).unwrap();
    assert_eq!(session.inputs()[0].shape(), [5, 1]);
    for window in [[1.0, 2.0, 3.0, 4.0, 5.0], [9.0, 8.0, 7.0, 6.0, 5.0]] {
        let outputs = session.run(&[("x", &floats(&window))]).unwrap();
        assert_eq!(to_floats(outputs[0].bytes()), window);
    }
    let error = session.run(&[("x", &[0; 8])]).unwrap_err();
    assert_eq!(error.to_string(), "input `x` takes 20 bytes, not 8");
    assert!(session.run(&[("y", &[0; 20])]).is_err());
}

#[test]
fn a_state_that_cannot_be_is_refused() {
    let graph = "graph network(a, x) -> (y, b) {
           a = external(shape = [2, 1]); x = external(shape = [2, 1]);
           y = a + x; b = sum_reduce(x, axes = [0]);
         }";
    let unlike = "state input `a` float32 [2, 1] and the output `b` float32 [1, 1] that it comes from are not alike";
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[("edgekit.state.0", "0")], "`0` is no pair of a state"),
        (&[("edgekit.state.0", "0:1")], unlike),
        (
            &[("edgekit.state.0", "0:7")],
            "a state is an input or output that is not there",
        ),
        (
            &[("edgekit.state.0", "1:0"), ("edgekit.state.1", "0:0")],
            "the states are not in order of the inputs, or one is there twice",
        ),
        (
            &[("edgekit.window", "many")],
            "property `edgekit.window` is no number",
        ),
        (
            &[("edgekit.window", "4")],
            "a model of one hop needs one float32 input [time, channel]",
        ),
    ];
    for (properties, reason) in cases {
        let error = Session::load(&with_properties(properties, graph)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot load the archive: {reason}")
        );
    }
    let short = &[("edgekit.state.0", "0:0"), ("edgekit.window", "1")];
    let error = Session::load(&with_properties(short, graph)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a window of 1 samples does not go with"),
        "{error}"
    );
}

#[test]
fn a_panic_is_contained_and_resets() {
    let mut session = Session::load(&panicking()).unwrap();
    before(&mut session, 5).unwrap();
    let error = before(&mut session, 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the engine panicked: attempt to divide by zero"
    );
    assert!(!error.is_callers_mistake());
    assert_eq!(before(&mut session, 6), Ok(0));
    assert_eq!(before(&mut session, 7), Ok(6));
}

#[test]
fn subnormals_are_zero_inside_a_run_only() {
    let mut session = Session::load(&doubling(1, 4)).unwrap();
    let subnormal = f32::MIN_POSITIVE / 8.0;
    let outputs = session
        .run(&[("x", &floats(&[subnormal, 1.0, 2.0, subnormal]))])
        .unwrap();
    let outside = std::hint::black_box(subnormal) * 2.0;
    if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        assert_eq!(to_floats(outputs[0].bytes()), [0.0, 2.0, 4.0, 0.0]);
    }
    assert!(outside > 0.0);
}

#[test]
fn an_open_shape_is_refused() {
    let error = Session::load(&symbolic()).unwrap_err();
    assert_eq!(error.to_string(), "the shape of `x` is not fixed: [N]");
}

#[test]
fn a_session_and_its_results_can_go_to_other_threads() {
    fn travels<T: Send>() {}
    travels::<Session>();
    travels::<edgekit_engine::Stream>();
    travels::<edgekit_engine::Output>();
}
