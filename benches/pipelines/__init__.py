"""Benchmarks whole programs that classify video. `compare` alternates between peers, `scale` runs many streams at once."""
