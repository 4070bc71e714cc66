"""The engine: loop, journal, commands, checkpoints and evaluation; it knows no screen."""
