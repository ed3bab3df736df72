"""Boards that are not there: what runs a bundle under an emulated CPU, with the Python of the board's system."""
