"""Benchmarks whole programs that classify video: `compare` runs peers in turn, `scale` runs many streams at once."""
