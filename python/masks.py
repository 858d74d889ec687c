#!/usr/bin/env python3
"""Makes masks of the things in photos; see catdog_train/masks.py."""

import sys

from catdog_train.masks import main

if __name__ == "__main__":
    sys.exit(main())
