"""ICoT-KD (arXiv 2311.01460): a teacher's thoughts, emulated, and read by a student.

B rows, L blocks, H width. `thoughts` are [B, L, H]: what the teacher holds at one place a block.
"""
