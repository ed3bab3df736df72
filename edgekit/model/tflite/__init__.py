"""TensorFlow Lite models: the flatbuffer read, and written as plain ONNX that computes the same."""

from edgekit.model.tflite.importer import TfliteModel, TfliteTensor, to_onnx

__all__ = ["TfliteModel", "TfliteTensor", "to_onnx"]
