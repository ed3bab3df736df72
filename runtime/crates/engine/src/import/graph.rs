//! Looking an ONNX graph over before tract does.

use tract_onnx::pb::tensor_proto::DataLocation;
use tract_onnx::pb::tensor_shape_proto::Dimension;
use tract_onnx::pb::tensor_shape_proto::dimension::Value::{DimParam, DimValue};
use tract_onnx::pb::type_proto::Value::TensorType;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto, ValueInfoProto};

use crate::{Error, Result};

/// Refuse data outside the file, inputs without fixed shape, and what tract would get wrong in silence.
///
/// # Errors
///
/// [`Error::Import`] or [`Error::OpenShape`], naming the tensor.
pub(super) fn check(graph: &GraphProto) -> Result<()> {
    refuse_external_data(graph)?;
    graph.node.iter().try_for_each(refuse_reverse)?;
    inputs(graph).try_for_each(refuse_open_shape)
}

/// The graph's inputs without those that only give an initializer its type.
fn inputs(graph: &GraphProto) -> impl Iterator<Item = &ValueInfoProto> {
    graph
        .input
        .iter()
        .filter(|input| !graph.initializer.iter().any(|it| it.name == input.name))
}

pub(super) fn input_names(graph: &GraphProto) -> Vec<String> {
    inputs(graph).map(|input| input.name.clone()).collect()
}

pub(super) fn output_names(graph: &GraphProto) -> Vec<String> {
    graph
        .output
        .iter()
        .map(|output| output.name.clone())
        .collect()
}

/// Make the tensors of these names the graph's outputs.
///
/// # Errors
///
/// [`Error::Import`] if the graph has no such tensor.
pub(super) fn choose_outputs(graph: &mut GraphProto, names: &[&str]) -> Result<()> {
    if let Some(name) = names.iter().find(|name| !has_tensor(graph, name)) {
        return wrong(format!("it has no tensor `{name}`"));
    }
    let output = |name: &&str| ValueInfoProto {
        name: (*name).to_owned(),
        ..Default::default()
    };
    graph.output = names.iter().map(output).collect();
    Ok(())
}

fn has_tensor(graph: &GraphProto, name: &str) -> bool {
    let computed = graph.node.iter().flat_map(|node| &node.output);
    let constant = graph.initializer.iter().map(|tensor| &tensor.name);
    let given = graph.input.iter().map(|input| &input.name);
    !name.is_empty() && computed.chain(constant).chain(given).any(|it| it == name)
}

fn refuse_external_data(graph: &GraphProto) -> Result<()> {
    graph.initializer.iter().try_for_each(refuse_external)?;
    graph.node.iter().try_for_each(refuse_external_attributes)
}

fn refuse_external_attributes(node: &NodeProto) -> Result<()> {
    for attribute in &node.attribute {
        attribute
            .t
            .iter()
            .chain(&attribute.tensors)
            .try_for_each(refuse_external)?;
        attribute
            .g
            .iter()
            .chain(&attribute.graphs)
            .try_for_each(refuse_external_data)?;
    }
    Ok(())
}

fn refuse_external(tensor: &TensorProto) -> Result<()> {
    let outside = tensor.data_location == Some(DataLocation::External as i32);
    if outside || !tensor.external_data.is_empty() {
        return wrong(format!("the data of `{}` is not in the file", tensor.name));
    }
    Ok(())
}

/// tract does not read the direction of a recurrence, and runs a reverse one forward.
fn refuse_reverse(node: &NodeProto) -> Result<()> {
    let mut attributes = node.attribute.iter();
    if ["GRU", "LSTM", "RNN"].contains(&node.op_type.as_str())
        && attributes.any(|attribute| attribute.name == "direction" && attribute.s == b"reverse")
    {
        let (name, op) = (name(node), &node.op_type);
        return wrong(format!(
            "node `{name}` is a reverse {op}, which the engine cannot run"
        ));
    }
    Ok(())
}

/// Many exporters leave nodes without a name; what a node computes has one.
fn name(node: &NodeProto) -> &str {
    let mut names = std::iter::once(&node.name).chain(&node.output);
    names
        .find(|name| !name.is_empty())
        .map_or("", String::as_str)
}

fn refuse_open_shape(input: &ValueInfoProto) -> Result<()> {
    let Some(TensorType(kind)) = input.r#type.as_ref().and_then(|kind| kind.value.as_ref()) else {
        return wrong(format!("input `{}` is no tensor", input.name));
    };
    let Some(shape) = &kind.shape else {
        return wrong(format!("input `{}` has no shape", input.name));
    };
    if shape
        .dim
        .iter()
        .all(|dim| matches!(dim.value, Some(DimValue(0..))))
    {
        return Ok(());
    }
    let shape: Vec<_> = shape.dim.iter().map(dimension).collect();
    Err(Error::OpenShape {
        tensor: input.name.clone(),
        shape: shape.join(", "),
    })
}

fn dimension(dimension: &Dimension) -> String {
    match &dimension.value {
        Some(DimValue(length)) => length.to_string(),
        Some(DimParam(name)) => name.clone(),
        None => "?".to_owned(),
    }
}

fn wrong<T>(reason: String) -> Result<T> {
    Err(Error::Import { reason })
}
