"""Asking models that are not trained: worked examples, then the question."""
