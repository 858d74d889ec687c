"""Writes the golden data in tests/golden with implementations that share no code with catdog."""
