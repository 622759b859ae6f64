"""How good a model is, measured on files in the forms of published benchmarks."""
