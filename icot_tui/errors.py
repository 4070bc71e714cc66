"""The exception whose message is meant for users."""


class UserError(ValueError):
    """Bad input or a refused request; the message is one sentence that says what to do.

    The command line prints the message alone and exits with `exit_status`: 2 for bad input,
    1 if the input was good but the work failed.
    """

    def __init__(self, message: str, exit_status: int = 2) -> None:
        super().__init__(message)
        self.exit_status = exit_status
