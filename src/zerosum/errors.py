"""The exception for errors in the user's input."""


class BadInput(ValueError):
    """Raised when the user's input cannot be used.

    The message says in one sentence what is wrong, where (file, field, value) and what to do. Settings and arguments
    stand in backticks under their Python names: "`training.batch_size` 0: must be above 0".
    The command line prints the message without a traceback, replaces these names by its flags, and exits with code 2.
    """
