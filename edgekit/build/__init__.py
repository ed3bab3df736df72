"""The engine for a board, and all that goes with it: found, planned, built, verified, kept."""
