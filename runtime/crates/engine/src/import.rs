//! Turning an ONNX model into an archive.

use tract_core::model::SpecialOps;
use tract_core::ops::cast::cast;
use tract_core::ops::gru_seq::GruSeq;
use tract_core::ops::scan::Scan;
use tract_core::prelude::{DatumType, Framework, OutletId, TractResult, TypedModel};
use tract_nnef::ser::rewrite_model;
use tract_onnx::pb::{GraphProto, ModelProto};
use tract_onnx::tract_hir::infer::InferenceModelExt;

use crate::carried::{Form, Pair};
use crate::contain::contain;
use crate::names::{self, Side};
use crate::registry::nnef;
use crate::{Error, Result, TensorInfo};

mod graph;
mod lower;

/// What the engine is to carry from run to run, by the names of the ONNX model.
#[derive(Debug, Clone, Copy, Default)]
pub struct CarriedNames<'a> {
    /// Inputs, and for each the output that becomes its value in the next run.
    pub state: &'a [(&'a str, &'a str)],
    /// For a model whose other input is one hop of a stream: how many samples make a window.
    pub window: Option<usize>,
}

/// Turn an ONNX model with fixed shapes into an archive for [`Session::load`](crate::Session::load).
///
/// Inputs and outputs keep their ONNX names; `outputs` chooses other tensors of the graph as outputs, beside those
/// that are `carried`. The same model gives the same bytes.
///
/// # Errors
///
/// [`Error::Import`] with the operator at fault where tract names one, for a broken model, an operator or
/// a shape it cannot handle, or data outside the file; [`Error::OpenShape`] and
/// [`Error::UnsupportedType`] for inputs and outputs that cannot cross the interface;
/// [`Error::Panicked`] if tract trips over the model.
pub fn import_onnx(
    model: &[u8],
    outputs: Option<&[&str]>,
    carried: CarriedNames<'_>,
) -> Result<Vec<u8>> {
    contain(|| {
        let onnx = tract_onnx::onnx();
        let mut proto = onnx
            .proto_model_for_read(&mut &*model)
            .map_err(|e| Error::import(&e))?;
        let graph = the_graph(&mut proto)?;
        graph::check(graph)?;
        if let Some(outputs) = outputs {
            let others = carried.state.iter().map(|(_, output)| *output);
            let others = others.filter(|name| !outputs.contains(name));
            let all: Vec<_> = outputs.iter().copied().chain(others).collect();
            graph::choose_outputs(graph, &all)?;
        }
        let (inputs, outputs) = (graph::input_names(graph), graph::output_names(graph));
        let form = form(&inputs, &outputs, carried)?;
        let mut typed = to_typed(&onnx, &proto).map_err(|error| Error::import(&error))?;
        let (inputs, outputs) = name(&mut typed, &inputs, &outputs)?;
        form.check(&inputs, &outputs)
            .map_err(|reason| Error::Import { reason })?;
        form.write(&mut typed);
        let write = nnef().write_to_tar_with_config(&typed, Vec::new(), false, true);
        write.map_err(|error| Error::import(&error))
    })
}

/// Find the tensors that are carried.
fn form(inputs: &[String], outputs: &[String], carried: CarriedNames<'_>) -> Result<Form> {
    let place = |names: &[String], name: &str| {
        let found = names.iter().position(|it| it == name);
        found.ok_or_else(|| Error::Import {
            reason: format!("it has no input or output `{name}` to carry"),
        })
    };
    let mut pairs = Vec::with_capacity(carried.state.len());
    for (input, output) in carried.state {
        pairs.push(Pair {
            input: place(inputs, input)?,
            output: place(outputs, output)?,
        });
    }
    pairs.sort_by_key(|pair| pair.input);
    Ok(Form {
        pairs,
        window: carried.window,
    })
}

fn the_graph(proto: &mut ModelProto) -> Result<&mut GraphProto> {
    proto.graph.as_mut().ok_or_else(|| Error::Import {
        reason: "it has no graph".into(),
    })
}

fn to_typed(onnx: &tract_onnx::Onnx, proto: &ModelProto) -> TractResult<TypedModel> {
    let mut model = onnx.model_for_proto_model(proto)?.into_typed()?;
    restart_recurrences(&mut model);
    // Before decluttering: that makes tables out of quantised chains, and NNEF has no word for those either.
    lower::quantisation(&mut model)?;
    let mut model = model.into_decluttered()?;
    restart_recurrences(&mut model);
    shapes_as_integers(&mut model)?;
    // The writer would do this itself, under names that differ from time to time.
    rewrite_model(&mut model)?;
    model.into_compact()
}

/// Start every recurrence from its initial state in every run, as ONNX has it; tract would go on where the
/// run before ended.
fn restart_recurrences(model: &mut TypedModel) {
    for node in &mut model.nodes {
        if let Some(scan) = node.op_as_mut::<Scan>() {
            scan.reset_every_turn = true;
            restart_recurrences(&mut scan.body);
        }
        if let Some(gru) = node.op_as_mut::<GruSeq>() {
            gru.reset_every_turn = true;
        }
    }
}

/// Make outputs that are shapes to tract the integers they are to ONNX.
fn shapes_as_integers(model: &mut TypedModel) -> TractResult<()> {
    for (position, outlet) in model.outputs.clone().into_iter().enumerate() {
        if model.outlet_fact(outlet)?.datum_type == DatumType::TDim {
            let name = format!("output_{position}_as_integers");
            let wires = model.wire_node(name, cast(DatumType::I64), &[outlet])?;
            model.outputs[position] = wires[0];
        }
    }
    Ok(())
}

/// Give the graph plain names, and put the true ones of the inputs and outputs beside it; describe those.
///
/// What else the file tells of its maker stays behind: it could hold a path or a date.
fn name(
    model: &mut TypedModel,
    inputs: &[String],
    outputs: &[String],
) -> Result<(Vec<TensorInfo>, Vec<TensorInfo>)> {
    rename(model, "n").map_err(|error| Error::import(&error))?;
    model.properties.clear();
    Ok((
        name_side(model, Side::Input, model.inputs.clone(), inputs)?,
        name_side(model, Side::Output, model.outputs.clone(), outputs)?,
    ))
}

fn name_side(
    model: &mut TypedModel,
    side: Side,
    outlets: Vec<OutletId>,
    names: &[String],
) -> Result<Vec<TensorInfo>> {
    let mut infos = Vec::with_capacity(names.len());
    for (position, (outlet, name)) in outlets.into_iter().zip(names).enumerate() {
        let fact = model
            .outlet_fact(outlet)
            .map_err(|error| Error::import(&error))?;
        infos.push(TensorInfo::new(name.clone(), fact)?);
        names::write(model, side, position, name);
    }
    Ok(infos)
}

/// Number the nodes in the order they run in; loop bodies share the graph's name space.
fn rename(model: &mut TypedModel, prefix: &str) -> TractResult<()> {
    model.outlet_labels.clear();
    for (position, node) in model.eval_order()?.into_iter().enumerate() {
        let node = model.node_mut(node);
        node.name = format!("{prefix}{position}");
        let inner = format!("{}b", node.name);
        if let Some(scan) = node.op_as_mut::<Scan>() {
            rename(&mut scan.body, &inner)?;
        }
    }
    Ok(())
}
