"""Features of samples as operators in front of the model; the section that asks for them is `edgekit.features_section`."""
