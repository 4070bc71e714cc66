"""Lets `python -m icot_tui` do what the console script does."""

from icot_tui.cli.app import main

if __name__ == "__main__":
    main()
