#!/usr/bin/env python3
"""Starts the training program. The command models/train runs this file; catdog_train/command.py has the options."""

import sys

from catdog_train.command import main

if __name__ == "__main__":
    sys.exit(main())
