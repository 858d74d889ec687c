"""Draws the SVG figures of the documentation."""
