#!/usr/bin/python3
"""Starts the evaluation. The command models/evaluate runs this file and documents the options."""

import sys

from catdog_evaluate.command import main

if __name__ == "__main__":
    sys.exit(main())
