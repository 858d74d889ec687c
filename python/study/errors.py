"""The error that ends the study or a part of it."""


class StudyError(Exception):
    """Something that the user can change; the message says what and how."""
