//! Spelling out the operators that NNEF has no word for.
//!
//! tract reads `QuantizeLinear` and `DequantizeLinear` with one scale into operators of its own, which its
//! NNEF writer does not know. The same arithmetic in elementary operators is what tract itself makes
//! of those with a scale per channel.

#![expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the shape of tract's rewriting rules"
)]

use tract_core::internal::TypedOp;
use tract_core::model::{Rewriter, SpecialOps};
use tract_core::ops::cast::cast;
use tract_core::ops::element_wise::ElementWiseOp;
use tract_core::ops::math::{add, div, max, min, mul, round_half_to_even, sub};
use tract_core::ops::quant::{DequantizeLinearF32, QuantizeLinearI8, QuantizeLinearU8};
use tract_core::ops::scan::Scan;
use tract_core::prelude::{
    Datum, DatumType, OutletId, TractResult, TypedModel, TypedModelPatch, TypedNode, tensor0,
};

/// Replace these operators, in loop bodies too.
pub(super) fn quantisation(model: &mut TypedModel) -> TractResult<()> {
    for node in &mut model.nodes {
        if let Some(scan) = node.op_as_mut::<Scan>() {
            quantisation(&mut scan.body)?;
        }
    }
    Rewriter::default()
        .with_rule_for("dequantise", dequantise)
        .with_rule_for("quantise", quantise)
        .rewrite(&(), model)
}

/// (x − zero point) · scale
fn dequantise(
    _context: &(),
    model: &TypedModel,
    node: &TypedNode,
    name: &str,
    op: &DequantizeLinearF32,
) -> TractResult<Option<TypedModelPatch>> {
    let mut steps = Steps::tap(model, node, name)?;
    steps.cast(DatumType::I32)?;
    steps.with(sub(), op.zero_point)?;
    steps.cast(DatumType::F32)?;
    steps.with(mul(), op.scale)?;
    steps.replace(model, node)
}

/// x / scale, rounded, + zero point, within the type's range
fn quantise(
    _context: &(),
    model: &TypedModel,
    node: &TypedNode,
    name: &str,
    op: &ElementWiseOp,
) -> TractResult<Option<TypedModelPatch>> {
    let (to, scale, zero_point, range) = if let Some(op) = op.0.downcast_ref::<QuantizeLinearU8>() {
        (
            DatumType::U8,
            op.scale,
            f32::from(op.zero_point),
            [0.0, 255.0],
        )
    } else if let Some(op) = op.0.downcast_ref::<QuantizeLinearI8>() {
        (
            DatumType::I8,
            op.scale,
            f32::from(op.zero_point),
            [-128.0, 127.0],
        )
    } else {
        return Ok(None);
    };
    let mut steps = Steps::tap(model, node, name)?;
    steps.cast(DatumType::F32)?;
    // tract keeps the scale's reciprocal.
    steps.with(div(), scale.recip())?;
    steps.then(round_half_to_even())?;
    steps.with(add(), zero_point)?;
    steps.with(max(), range[0])?;
    steps.with(min(), range[1])?;
    steps.cast(to)?;
    steps.replace(model, node)
}

/// Elementary operators in a row, in place of one node.
struct Steps<'a> {
    name: &'a str,
    rank: usize,
    patch: TypedModelPatch,
    wire: OutletId,
    count: usize,
}

impl<'a> Steps<'a> {
    fn tap(model: &TypedModel, node: &TypedNode, name: &'a str) -> TractResult<Self> {
        let rank = model.outlet_fact(node.inputs[0])?.rank();
        let mut patch = TypedModelPatch::default();
        let wire = patch.tap_model(model, node.inputs[0])?;
        Ok(Self {
            name,
            rank,
            patch,
            wire,
            count: 0,
        })
    }

    fn then(&mut self, op: impl Into<Box<dyn TypedOp>>) -> TractResult<()> {
        let name = self.next_name();
        self.wire = self.patch.wire_node(name, op, &[self.wire])?[0];
        Ok(())
    }

    fn cast(&mut self, to: DatumType) -> TractResult<()> {
        self.then(cast(to))
    }

    fn with<T: Datum>(&mut self, op: impl Into<Box<dyn TypedOp>>, operand: T) -> TractResult<()> {
        let operand = tensor0(operand).broadcast_into_rank(self.rank)?;
        let (constant, name) = (self.next_name(), self.next_name());
        let operand = self.patch.add_const(constant, operand)?;
        self.wire = self.patch.wire_node(name, op, &[self.wire, operand])?[0];
        Ok(())
    }

    fn next_name(&mut self) -> String {
        self.count += 1;
        format!("{}.{}", self.name, self.count)
    }

    fn replace(
        mut self,
        model: &TypedModel,
        node: &TypedNode,
    ) -> TractResult<Option<TypedModelPatch>> {
        self.patch.shunt_outside(model, node.id.into(), self.wire)?;
        Ok(Some(self.patch))
    }
}
