"""The playground: asking checkpoints, and looking at what their hidden positions hold."""
