"""
What the engine refuses, in words for the person who exports the model.

The engine names its own parts ("ToTypedTranslator"); what helps is the operator of the file, and what to export instead.
What the hints say was tried with skl2onnx 1.20 and tract 0.23.9.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from edgekit.errors import ModelError
from edgekit.model import operators

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

_LONGEST: Final = 160
"""Characters of the engine's own words; it prints whole nodes at times."""

_CLASSIFIERS: Final = "LogisticRegression, MLPClassifier, trees, forests and gradient boosting"

_ELSE: Final = "export the model with a fixed input shape and opset 13 to 17; if it stays so, replace this operator"


def of_import(refusal: Exception, model: onnx.ModelProto, path: Path) -> ModelError:
    """Return the error for a prepared model that cannot be converted."""
    words = str(refusal).removeprefix("cannot import the model: ")
    nodes = list(operators.walk(model.graph.node))
    missing = re.search(r"Unimplemented\((\w+)\)", words)
    if missing is not None:
        node = next((node for node in nodes if node.op_type == missing[1]), None)
        domain = f" ({node.domain})" if node is not None and node.domain else ""
        return ModelError(
            f"the engine cannot run `{path}`: it does not have the operator `{missing[1]}`{domain}",
            hint=_ELSE,
        )
    texts = next((node.op_type for node in nodes if _gives_text(node)), None)
    if texts is not None and "String" in words:
        return ModelError(
            f"the engine cannot run `{path}`: its operator `{texts}` gives names of classes, and only numbers are supported",
            hint="fit the classifier with class numbers in place of names, which go into `[model] labels`, and export it again",
        )
    named = re.search(r'node #\d+ "([^"]*)"', words)
    node = next((node for node in nodes if named is not None and node.name == named[1]), None)
    what = (
        f"its operator `{node.op_type}` cannot be converted" if node else "it cannot be converted"
    )
    return ModelError(f"the engine cannot run `{path}`: {what} ({_short(words)})", hint=_ELSE)


def of_load(refusal: Exception, model: onnx.ModelProto, path: Path) -> ModelError:
    """Return the error for a model that was converted, and then does not load or run."""
    kinds = {node.op_type for node in operators.walk(model.graph.node)}
    loops = " and ".join(f"`{kind}`" for kind in ("Loop", "Scan") if kind in kinds)
    hint = "export the model with another opset (13 to 17)"
    if loops:
        hint = f"export the model without its loops ({loops}); of scikit-learn's classifiers these have none: {_CLASSIFIERS}"
    return ModelError(
        f"the engine cannot run what it made of `{path}` ({_short(str(refusal))})", hint=hint
    )


def _gives_text(node: onnx.NodeProto) -> bool:
    return any(attribute.name.lower() == "classlabels_strings" for attribute in node.attribute)


def _short(words: str) -> str:
    words = " ".join(words.split())
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
