"""The proof: the reference, the inputs tried, the comparison, the suspect where it fails."""
