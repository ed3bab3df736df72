"""What a recording says about the model: whether its outputs and its inputs mean what the project says."""
