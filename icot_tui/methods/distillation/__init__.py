"""ICoT-KD (arXiv 2311.01460): a teacher's hidden states, emulated, and read by a student.

B rows, L blocks, H width. Teacher's and emulated states are [B, L, H]: one for each block.
"""

from icot_tui.methods.distillation.method import METHOD

__all__ = ["METHOD"]
