//! ONNX models made here, imported and run.

use edgekit_engine::{CarriedNames, Error, Session, import_onnx};
use prost::Message;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

use crate::support::{floats, to_floats};

const FLOAT: i32 = 1;

fn tensor(name: &str, shape: &[Option<i64>]) -> ValueInfoProto {
    let dimension = |length: &Option<i64>| Dimension {
        value: Some(match length {
            Some(length) => dimension::Value::DimValue(*length),
            None => dimension::Value::DimParam("N".into()),
        }),
        ..Default::default()
    };
    let shape = TensorShapeProto {
        dim: shape.iter().map(dimension).collect(),
    };
    let kind = type_proto::Tensor {
        elem_type: FLOAT,
        shape: Some(shape),
    };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(kind)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        op_type: op.into(),
        name: format!("the {op}"),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: outputs.iter().map(ToString::to_string).collect(),
        ..Default::default()
    }
}

/// `1/y:0 = abs(é x'; + b)`, over a constant `b` of two elements.
fn graph() -> GraphProto {
    GraphProto {
        input: vec![tensor("é x';", &[Some(2)]), tensor("b", &[Some(2)])],
        initializer: vec![TensorProto {
            name: "b".into(),
            data_type: FLOAT,
            dims: vec![2],
            float_data: vec![1.0, -1.0],
            ..Default::default()
        }],
        node: vec![
            node("Add", &["é x';", "b"], &["a.b"]),
            node("Abs", &["a.b"], &["1/y:0"]),
        ],
        output: vec![tensor("1/y:0", &[Some(2)])],
        ..Default::default()
    }
}

fn onnx(graph: GraphProto) -> Vec<u8> {
    let model = ModelProto {
        ir_version: 8,
        producer_name: "someone's \"tool\"".into(),
        opset_import: vec![OperatorSetIdProto {
            version: 17,
            ..Default::default()
        }],
        graph: Some(graph),
        ..Default::default()
    };
    model.encode_to_vec()
}

fn refusal(graph: GraphProto) -> Error {
    import_onnx(&onnx(graph), None, CarriedNames::default()).unwrap_err()
}

#[test]
fn a_model_keeps_its_names_and_its_numbers() {
    let mut session =
        Session::load(&import_onnx(&onnx(graph()), None, CarriedNames::default()).unwrap())
            .unwrap();
    let outputs = session.run(&[("é x';", &floats(&[1.0, -2.0]))]).unwrap();
    assert_eq!(session.inputs().len(), 1);
    assert_eq!(session.outputs()[0].name(), "1/y:0");
    assert_eq!(to_floats(outputs[0].bytes()), [2.0, 3.0]);
}

#[test]
fn other_tensors_can_be_the_outputs() {
    let archive = import_onnx(
        &onnx(graph()),
        Some(&["1/y:0", "a.b"]),
        CarriedNames::default(),
    )
    .unwrap();
    let mut session = Session::load(&archive).unwrap();
    let outputs = session.run(&[("é x';", &floats(&[1.0, -2.0]))]).unwrap();
    let names: Vec<_> = session
        .outputs()
        .iter()
        .map(edgekit_engine::TensorInfo::name)
        .collect();
    assert_eq!(names, ["1/y:0", "a.b"]);
    assert_eq!(to_floats(outputs[1].bytes()), [2.0, -3.0]);
    let error = import_onnx(&onnx(graph()), Some(&["c"]), CarriedNames::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot import the model: it has no tensor `c`"
    );
}

#[test]
fn the_same_model_gives_the_same_bytes_without_its_makers_name() {
    let archive = import_onnx(&onnx(graph()), None, CarriedNames::default()).unwrap();
    assert_eq!(
        archive,
        import_onnx(&onnx(graph()), None, CarriedNames::default()).unwrap()
    );
    assert!(!archive.windows(4).any(|bytes| bytes == b"tool"));
}

/// `y = x + before`, which is also `after`.
fn adding() -> GraphProto {
    GraphProto {
        input: vec![
            tensor("x", &[Some(2), Some(1)]),
            tensor("before", &[Some(2), Some(1)]),
        ],
        node: vec![
            node("Add", &["x", "before"], &["after"]),
            node("Abs", &["after"], &["y"]),
        ],
        output: vec![
            tensor("y", &[Some(2), Some(1)]),
            tensor("after", &[Some(2), Some(1)]),
        ],
        ..Default::default()
    }
}

#[test]
fn state_is_carried_by_the_names_of_the_model() {
    let carried = CarriedNames {
        state: &[("before", "after")],
        window: None,
    };
    let archive = import_onnx(&onnx(adding()), None, carried).unwrap();
    let mut session = Session::load(&archive).unwrap();
    for expected in [[1.0, 2.0], [2.0, 4.0]] {
        let outputs = session.run(&[("x", &floats(&[1.0, 2.0]))]).unwrap();
        assert_eq!(to_floats(outputs[0].bytes()), expected);
        assert_eq!(outputs.len(), 1);
    }
    // What is carried stays an output, whichever others are chosen.
    let archive = import_onnx(&onnx(adding()), Some(&["y"]), carried).unwrap();
    assert_eq!(Session::load(&archive).unwrap().outputs().len(), 1);
}

#[test]
fn what_cannot_be_carried_is_refused() {
    let refusal = |state, window| {
        let carried = CarriedNames { state, window };
        import_onnx(&onnx(adding()), None, carried)
            .unwrap_err()
            .to_string()
    };
    let cases = [
        (
            refusal(&[("before", "nothing")], None),
            "it has no input or output `nothing` to carry",
        ),
        (
            refusal(&[], Some(4)),
            "a model of one hop needs one float32 input [time, channel]",
        ),
        (
            refusal(&[("before", "after")], Some(1)),
            "a window of 1 samples does not go with `x` float32 [2, 1]",
        ),
    ];
    for (message, reason) in cases {
        assert_eq!(message, format!("cannot import the model: {reason}"));
    }
}

#[test]
fn a_profile_names_the_operators() {
    let archive = import_onnx(&onnx(graph()), None, CarriedNames::default()).unwrap();
    let mut session = Session::load(&archive).unwrap();
    let times = session
        .profile(&[("é x';", &floats(&[1.0, -2.0]))], 3)
        .unwrap();
    assert!(
        times.iter().any(|(operator, _)| operator == "Abs"),
        "{times:?}"
    );
    assert!(times.is_sorted_by(|a, b| a.1 >= b.1));
    assert!(session.profile(&[], 1).is_err());
}

#[test]
fn data_outside_the_file_is_refused() {
    let mut graph = graph();
    let location = StringStringEntryProto {
        key: "location".into(),
        value: "weights".into(),
    };
    graph.initializer[0].external_data = vec![location];
    let message = "cannot import the model: the data of `b` is not in the file";
    assert_eq!(refusal(graph).to_string(), message);
}

#[test]
fn an_open_shape_is_refused() {
    let mut graph = graph();
    graph.input[0] = tensor("x", &[None, Some(3)]);
    assert_eq!(
        refusal(graph).to_string(),
        "the shape of `x` is not fixed: [N, 3]"
    );
}

#[test]
fn an_unknown_operator_is_named() {
    let mut graph = graph();
    graph.node[1] = node("Telepathy", &["a.b"], &["1/y:0"]);
    let message = refusal(graph).to_string();
    assert!(message.contains("Telepathy"), "{message}");
    assert!(!message.to_lowercase().contains("backtrace"), "{message}");
}

#[test]
fn a_dangling_edge_is_an_error() {
    let mut graph = graph();
    graph.output[0].name = "nowhere".into();
    assert!(!refusal(graph).is_callers_mistake());
}

#[test]
fn what_is_no_model_is_an_error() {
    for bytes in [&b""[..], b"no model", &[0xff; 64]] {
        assert!(matches!(
            import_onnx(bytes, None, CarriedNames::default()),
            Err(Error::Import { .. })
        ));
    }
}
