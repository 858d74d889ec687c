"""Errors of the training."""


class InputError(Exception):
    """An input that the user has to change. The message is one line that names it and says what to do."""
