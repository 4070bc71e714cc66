"""Checkpoints for other programs; each export proves itself before it is put in place."""
