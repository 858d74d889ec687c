"""The pictures with which the core finds out the input range of a model."""
