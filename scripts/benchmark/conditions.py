"""The conditions of a run: the machine, its load, and whether its figures may be quoted."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import gptlite
from benchmark.processes import environment
from gptlite.fast.threads import cpu_count

FEWEST_PAIRS = 5  # of rounds, for a ratio that means something
BUSY = 0.3  # processes running on average in the minute before: other programs have the machine

# Run in a process of its own: the kernel is chosen when the library is loaded.
ASK_FOR_KERNEL = """
import numpy, threadpoolctl
for library in threadpoolctl.threadpool_info():
    if library["user_api"] == "blas":
        print(library["internal_api"], library["version"], library.get("architecture", ""))
        break
"""


class Conditions(NamedTuple):
    """What figures depend on besides the code that is measured."""

    processor: str
    cores: int
    threads: int  # for each contestant
    load: float | None  # just before the run; None where the system does not tell
    blas: str  # library, version and kernel
    system: str
    versions: dict[str, str]  # of packages, Python and gptlite

    @property
    def is_busy(self) -> bool:
        """Whether other programs were running: such figures are not to be quoted."""
        return self.load is not None and self.load > BUSY

    def sentence(self) -> str:
        """Describe the conditions in one line."""
        load = "" if self.load is None else f", load before {self.load:.1f}"
        versions = ", ".join(f"{package} {version}" for package, version in self.versions.items())
        return (
            f"{self.processor}, {self.cores} cores, {self.threads} threads for each contestant"
            f"{load}; {self.blas}; {self.system}, {versions}."
        )


def conditions(threads: int, packages: list[str]) -> Conditions:
    """Describe this machine as it is now, and the versions of the packages."""
    return Conditions(
        processor=processor(),
        cores=cpu_count(),
        threads=threads,
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        blas=blas(threads),
        system=platform.system(),
        versions={
            "Python": platform.python_version(),
            "gptlite": gptlite.__version__,
            **versions_of(packages),
        },
    )


def versions_of(packages: list[str]) -> dict[str, str]:
    """Find packages' versions; one may be distributed under another name than its import's."""
    names = importlib.metadata.packages_distributions()
    return {p: importlib.metadata.version(names.get(p, [p])[0]) for p in packages}


def processor() -> str:
    """The processor's name as the system has it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def blas(threads: int) -> str:
    """Name NumPy's BLAS and the kernel that it takes on this processor, as contestants have it."""
    command = [sys.executable, "-c", ASK_FOR_KERNEL]
    asked = subprocess.run(command, env=environment(threads), capture_output=True, text=True)
    return asked.stdout.strip() or "BLAS unknown (threadpoolctl is not installed)"


def doubts(about: Conditions, n_pairs: int) -> list[str]:
    """Say why a ratio from so many pairs is not to be quoted; nothing where it may be."""
    reasons = ["busy machine"] if about.is_busy else []
    if n_pairs < FEWEST_PAIRS:
        reasons.append("one pair" if n_pairs == 1 else f"{n_pairs} pairs")
    return reasons
