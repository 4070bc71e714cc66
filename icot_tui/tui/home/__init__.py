"""The home screen: what one can do with icot-tui, each a command that is run next."""
