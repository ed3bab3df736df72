"""
The device side of EdgeKit: samples in, model, decision, results out.

Standard library and `edgekit_runtime` only; it also runs on the host, for `edgekit run` and `edgekit eval`.
"""
