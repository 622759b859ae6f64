"""The rooms behind scripts/benchmark.py.

basics.py       a benchmark, a contestant, a measured run, and the settings that all are given
contestants/    the measured runs of all contestants
catalogue.py    all benchmarks, by name
processes.py    a contestant's process: what it does, and how its parent sees it
measuring.py    who takes part; the rounds; the figures as rows
report.py       the table, and the notes below it
"""
