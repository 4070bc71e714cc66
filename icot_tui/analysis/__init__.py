"""Asking checkpoints, and seeing what their hidden chain-of-thought positions hold."""
