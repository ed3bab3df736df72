"""Whole-pipeline truth: how right the model is on labelled recordings, and whether it decides as the reference does."""
