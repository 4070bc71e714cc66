"""Runs: trained from their folder by their method, and their checkpoints opened."""
