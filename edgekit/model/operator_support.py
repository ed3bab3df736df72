"""
The operators that may be left when a model is prepared, and for every other one of ONNX a sentence and a way out.

A rewrite may have removed a refused operator before (`edgekit.model.rewrites`), or it was over constants: then nobody asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edgekit.errors import ModelError
from edgekit.model.operators import LEARN, STANDARD, walk

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

ALLOWED: Final = frozenset(
    {
        # one value at a time
        *(
            "Abs",
            "Acos",
            "Acosh",
            "Asin",
            "Asinh",
            "Atan",
            "Atanh",
            "Ceil",
            "Clip",
            "Cos",
            "Cosh",
            "Erf",
            "Exp",
        ),
        *(
            "Floor",
            "IsInf",
            "IsNaN",
            "Log",
            "Neg",
            "Not",
            "Reciprocal",
            "Round",
            "Sign",
            "Sin",
            "Sinh",
            "Sqrt",
        ),
        *("Tan", "Tanh", "Cast", "CastLike", "Identity", "Dropout", "BitwiseNot"),
        # two or more
        *(
            "Add",
            "And",
            "BitShift",
            "BitwiseAnd",
            "BitwiseOr",
            "BitwiseXor",
            "Div",
            "Equal",
            "Greater",
        ),
        *(
            "GreaterOrEqual",
            "Less",
            "LessOrEqual",
            "Max",
            "Mean",
            "Min",
            "Mod",
            "Mul",
            "Or",
            "Pow",
            "Sub",
            "Sum",
        ),
        *("Where", "Xor"),
        # activations
        *(
            "Celu",
            "Elu",
            "Gelu",
            "HardSigmoid",
            "HardSwish",
            "Hardmax",
            "LeakyRelu",
            "LogSoftmax",
            "Mish",
            "PRelu",
        ),
        *(
            "Relu",
            "Selu",
            "Shrink",
            "Sigmoid",
            "Softmax",
            "Softplus",
            "Softsign",
            "Swish",
            "ThresholdedRelu",
        ),
        # layers
        *(
            "Attention",
            "AveragePool",
            "BatchNormalization",
            "Conv",
            "ConvTranspose",
            "Einsum",
            "GRU",
            "Gemm",
        ),
        *(
            "GlobalAveragePool",
            "GlobalLpPool",
            "GlobalMaxPool",
            "GroupNormalization",
            "InstanceNormalization",
        ),
        *("LRN", "LSTM", "LayerNormalization", "LpNormalization", "MatMul", "MaxPool"),
        *("MeanVarianceNormalization", "RMSNormalization", "RNN", "RotaryEmbedding"),
        # quantised
        *(
            "ConvInteger",
            "DequantizeLinear",
            "DynamicQuantizeLinear",
            "MatMulInteger",
            "QLinearConv",
        ),
        *("QLinearMatMul", "QuantizeLinear"),
        # signals
        *("BlackmanWindow", "DFT", "HammingWindow", "HannWindow", "MelWeightMatrix", "STFT"),
        # over axes
        *(
            "ArgMax",
            "ArgMin",
            "CumSum",
            "ReduceL1",
            "ReduceL2",
            "ReduceLogSum",
            "ReduceLogSumExp",
            "ReduceMax",
        ),
        *("ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "TopK"),
        # places and shapes
        *(
            "Concat",
            "Constant",
            "ConstantOfShape",
            "DepthToSpace",
            "Expand",
            "EyeLike",
            "Flatten",
            "Gather",
        ),
        *(
            "GatherElements",
            "GatherND",
            "GridSample",
            "OneHot",
            "Pad",
            "Range",
            "Reshape",
            "Resize",
            "Scatter",
        ),
        *(
            "ScatterElements",
            "ScatterND",
            "Shape",
            "Size",
            "Slice",
            "SpaceToDepth",
            "Split",
            "Squeeze",
            "Tile",
        ),
        *("Transpose", "Trilu", "Unsqueeze"),
        # graphs inside
        *("If", "Scan"),
    }
)
"""Of the standard domain: what the engine has. That it computes them as ONNX Runtime does is for the proof to say."""

ALLOWED_LEARNED: Final = frozenset(
    {
        "ArrayFeatureExtractor",
        "LinearClassifier",
        "LinearRegressor",
        "Normalizer",
        "TreeEnsembleClassifier",
    }
)
"""Of `ai.onnx.ml`, likewise."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why an operator is refused, as the end of a sentence about it, and what to do instead."""

    why: str
    instead: str


_RANDOM: Final = Reason(
    why="gives other numbers at every run, so nothing can be proven about it",
    instead="export the model for inference (`model.eval()`), or give it the noise as an input",
)
_UNKNOWN_SIZE: Final = Reason(
    why="gives more or fewer values from input to input, and the engine plans its memory once",
    instead="export the model up to what comes before it (a detector: without its non-maximum suppression)",
)
_LISTS: Final = Reason(
    why="works on lists of tensors, and only tensors are supported",
    instead="export the model with tensors alone: stack them, or give every one an output of its own",
)
_TEXTS: Final = Reason(
    why="works on texts, and only numbers are supported",
    instead="turn texts into numbers before the model, and leave this operator out of the export",
)
_LOOP: Final = Reason(
    why="repeats a graph until a condition holds, which the engine does not do",
    instead="export recurrent layers as LSTM, GRU or RNN (PyTorch's own layers, not a loop in Python), or loops of a fixed number of steps unrolled",
)
_VISION: Final = Reason(
    why="is of object detectors, and the engine does not have it",
    instead="export the model up to what comes before it",
)
_MISSING: Final = Reason(
    why="is missing in the engine",
    instead="replace it in the model by operators that `docs/operators.md` lists, and export it again",
)
_MEMORY: Final = Reason(
    why="writes into a tensor that is kept from run to run, which the engine does not do",
    instead="give the state an input and an output of its own: `[model] state` carries it",
)
_CLASSIFIERS: Final = "LogisticRegression, MLPClassifier, trees, forests and gradient boosting"
_REGRESSORS: Final = "LinearRegression, MLPRegressor, SVR, trees, forests and gradient boosting"

REFUSED: Final = {
    **dict.fromkeys(
        (
            "Bernoulli",
            "Multinomial",
            "RandomNormal",
            "RandomNormalLike",
            "RandomUniform",
            "RandomUniformLike",
        ),
        _RANDOM,
    ),
    **dict.fromkeys(("Compress", "NonMaxSuppression", "NonZero", "Unique"), _UNKNOWN_SIZE),
    **dict.fromkeys(
        (
            *(
                "ConcatFromSequence",
                "Optional",
                "OptionalGetElement",
                "OptionalHasElement",
                "SequenceAt",
            ),
            *(
                "SequenceConstruct",
                "SequenceEmpty",
                "SequenceErase",
                "SequenceInsert",
                "SequenceLength",
            ),
            *("SequenceMap", "SplitToSequence"),
        ),
        _LISTS,
    ),
    **dict.fromkeys(
        ("RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer"),
        _TEXTS,
    ),
    **dict.fromkeys(("DeformConv", "MaxRoiPool", "RoiAlign"), _VISION),
    **dict.fromkeys(
        (
            *(
                "AffineGrid",
                "BitCast",
                "CausalConvWithState",
                "CenterCropPad",
                "Col2Im",
                "CumProd",
                "Det",
            ),
            *(
                "LinearAttention",
                "LpPool",
                "MaxUnpool",
                "NegativeLogLikelihoodLoss",
                "ReverseSequence",
            ),
            *("SoftmaxCrossEntropyLoss", "SwiGLU"),
        ),
        _MISSING,
    ),
    "ImageDecoder": Reason(
        why="unpacks compressed images, and the engine takes pixels",
        instead="decode before the model, and export it with an input of pixels",
    ),
    "Loop": _LOOP,
    "TensorScatter": _MEMORY,
    "Upsample": Reason(
        why="was taken out of ONNX with opset 10, and is missing in the engine",
        instead="export the model with opset 13 to 17: it becomes Resize",
    ),
}
"""Of the standard domain. Some are refused only as they stand here: where a rewrite knows their form, they are gone."""

REFUSED_LEARNED: Final = {
    **dict.fromkeys(("CastMap", "DictVectorizer", "CategoryMapper"), _TEXTS),
    "Binarizer": Reason(
        why="is supported for float32 alone", instead="export the model with an input of float32"
    ),
    "FeatureVectorizer": Reason(
        why="is supported for float32 alone", instead="export the model with inputs of float32"
    ),
    "Imputer": Reason(
        why="is supported for float32 alone",
        instead="leave the SimpleImputer out of the export: EdgeKit drops what is missing",
    ),
    "LabelEncoder": Reason(
        why="looks up texts, and only numbers are supported",
        instead="fit the classifier with class numbers in place of names, which go into `[model] labels`",
    ),
    "OneHotEncoder": Reason(
        why="is supported for whole numbers that may be of no category alone",
        instead='fit the OneHotEncoder on numbers, with `handle_unknown="ignore"`',
    ),
    "SVMClassifier": Reason(
        why="is missing in the engine",
        instead=f"of scikit-learn's classifiers these convert: {_CLASSIFIERS}",
    ),
    "SVMRegressor": Reason(
        why="has a form that is not supported",
        instead=f"of scikit-learn's regressors these convert: {_REGRESSORS}",
    ),
    "Scaler": Reason(
        why="is supported for float32 and whole numbers alone",
        instead="export the model with an input of float32",
    ),
    "TreeEnsemble": Reason(
        why="is missing in the engine",
        instead="export with `target_opset={'': 17, 'ai.onnx.ml': 3}`: older trees convert",
    ),
    "TreeEnsembleRegressor": Reason(
        why="has a form that is not supported (float64, or the least or largest of the trees)",
        instead=f"of scikit-learn's regressors these convert: {_REGRESSORS}",
    ),
    "ZipMap": Reason(
        why="makes a dictionary of every row, and only tensors are supported",
        instead='export a scikit-learn classifier with `options={"zipmap": False}`: its probabilities become a tensor',
    ),
}
"""Of `ai.onnx.ml`, as they are where no rewrite has an exact form for them."""


def check(model: onnx.ModelProto, path: Path) -> None:
    """Raise ModelError if a prepared model has an operator that is not allowed; the first one is told, all are named."""
    refused = [found for node in walk(model.graph.node) if (found := reason_of(node)) is not None]
    if not refused:
        return
    name, reason = refused[0]
    others = sorted({f"`{other}`" for other, _ in refused} - {f"`{name}`"})
    more = f"; nor can it run {', '.join(others)}" if others else ""
    raise ModelError(
        f"the engine cannot run `{path}`: its operator `{name}` {reason.why}{more}",
        hint=reason.instead,
    )


def reason_of(node: onnx.NodeProto) -> tuple[str, Reason] | None:
    """Return a refused operator's name and reason; None if it is allowed."""
    name = str(node.op_type)
    if node.domain in STANDARD:
        return None if name in ALLOWED else (name, REFUSED.get(name, _MISSING))
    if node.domain == LEARN and name in ALLOWED_LEARNED:
        return None
    return f"{node.domain}.{name}", REFUSED_LEARNED.get(name, _MISSING)
