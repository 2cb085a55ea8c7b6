"""What Zerosum says to its user when the input is at fault."""


class BadInput(ValueError):
    """The user's input cannot be used.

    The message is one clear sentence: what is wrong, where (file, field, value), and what to do.
    The command line prints it without a traceback and ends with exit code 2.
    """
