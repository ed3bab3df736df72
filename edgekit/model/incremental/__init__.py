"""The incremental form of a stream's graph: one hop in, its state in and out, the same predictions as over windows."""
