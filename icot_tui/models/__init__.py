"""Causal language models: building, loading, and the loss on supervised tokens only."""
