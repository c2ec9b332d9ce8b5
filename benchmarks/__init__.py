"""Measurements of speed; what they found is in benchmarks/README.md."""
