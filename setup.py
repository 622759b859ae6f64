"""Build from what is there now: what an earlier build has left in ``build/lib`` is removed first.

All else that setuptools must know is in pyproject.toml.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildAfresh(build_py):
    """Copy the package's files, without those that it no longer has."""

    def run(self) -> None:
        """Remove the copy of an earlier build, and copy."""
        shutil.rmtree(Path(self.build_lib, "gptlite"), ignore_errors=True)
        super().run()


setup(cmdclass={"build_py": BuildAfresh})
