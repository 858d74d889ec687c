"""Errors and messages of the evaluation."""

import sys


class UnusableError(Exception):
    """An input that cannot be evaluated, or a missing package. The message is one line that says why."""


def warn(line: object) -> None:
    """Prints one line on stderr, over the progress line if there is one."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    print(f"evaluate: {line}", file=sys.stderr)
