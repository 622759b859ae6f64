"""The contestants: their measured runs, a file for each kind of benchmark."""
