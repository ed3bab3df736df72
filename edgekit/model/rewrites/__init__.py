"""
Small rewrites of an ONNX model that keep what it computes, one family a module.

Each changes the model in place and returns a line for the report, or None where there was nothing to do. `prepare` lists
them in order.
"""
