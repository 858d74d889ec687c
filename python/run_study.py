#!/usr/bin/env python3
"""Starts the study. The command study/run runs this file; study/command.py has the options."""

import sys

from study.command import main

if __name__ == "__main__":
    sys.exit(main())
