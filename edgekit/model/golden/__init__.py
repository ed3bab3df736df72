"""The end-to-end reference from the training notebook: written there, compared here."""
