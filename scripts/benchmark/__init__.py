"""The rooms behind scripts/benchmark.py.

basics.py       a benchmark, a contestant, a measured run, and the settings that all are given
contestants/    the measured runs of all contestants
catalogue.py    all benchmarks, by name
processes.py    a contestant's process: what it does, and how its parent sees it
measuring.py    who takes part; the rounds; the figures as rows
conditions.py   the machine, its load, and whether figures may be quoted
record.py       a run's figures, kept as JSON and compared
report.py       the table, and the notes below it
"""
