"""Draws the demo clip models/demo/demo.mp4."""
