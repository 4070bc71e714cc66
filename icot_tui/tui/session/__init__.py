"""Process, threads, signals and the terminal around the screen."""
