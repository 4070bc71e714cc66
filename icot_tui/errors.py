"""The one exception that is meant for the user's eyes."""


class UserError(ValueError):
    """Bad input or a refused request, told in one sentence that says what to do.

    The command line prints the message alone and exits with `exit_status`: 2 for bad input,
    1 where good input met work that failed.
    """

    def __init__(self, message: str, exit_status: int = 2) -> None:
        super().__init__(message)
        self.exit_status = exit_status
