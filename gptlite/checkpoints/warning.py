"""Warnings: lines about what is odd in files, but does not stop their reading."""

import logging


def warn(line: str) -> None:
    """Say in a line what is odd."""
    logging.getLogger("gptlite").warning(line)
