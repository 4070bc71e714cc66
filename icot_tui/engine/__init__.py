"""The engine: one loop, its events and journal, its commands, checkpoints and evaluation.

Nothing here knows of any screen.
"""
