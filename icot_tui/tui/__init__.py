"""The screen: shows runs and passes wishes on; it never reaches into the trainer."""
