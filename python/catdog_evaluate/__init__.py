"""Measures a classifier on folders of images and videos, through catdogfilter in GStreamer.

`command` parses the options and runs the steps: `files` finds the inputs, `runner` runs the pipelines, `summary`
computes the numbers, `verdict` says what they mean, `text` and `plots` present them. `report` makes a page of them,
which `markdown` and `webpage` write.
"""
