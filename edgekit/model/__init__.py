"""From a model file to a proven archive: read, prepare, convert, prove, evaluate."""
