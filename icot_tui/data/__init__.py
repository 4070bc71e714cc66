"""Lines of text -> examples -> token ids with the span borders, memory-mapped."""
