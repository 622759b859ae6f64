"""The contestants of scripts/benchmark.py: what each of them does in one measured run."""
