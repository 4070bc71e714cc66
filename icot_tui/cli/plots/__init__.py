"""Plots in the shell, drawn by plotext."""
