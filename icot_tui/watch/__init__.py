"""Following a run through its files: what every view of it, live or long after, is made of."""
