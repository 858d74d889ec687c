"""Benchmarks whole programs that classify video: `compare` compares programs, `scale` runs many streams at once."""
