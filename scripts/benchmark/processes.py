"""A contestant's process: what it does itself, and how its parent sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmark.basics import Contestant, Figures, Setup
from benchmark.catalogue import BENCHMARKS

# scripts/benchmark.py, which a contestant's process runs with --worker.
DOOR = Path(__file__).parent.with_suffix(".py")
# Contestants' threads may go on spinning for a moment after their work: the next one waits it out.
PAUSE_SECONDS = 0.1


def serve(benchmark: str, contestant: str, setup: Setup) -> None:
    """Be one contestant: prepare, say so, then one measured run for each line of standard input."""
    # Only answers go to standard output, whatever a library may print there.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    [prepare] = [c.prepare for c in BENCHMARKS[benchmark].contestants if c.name == contestant]
    measured_run = prepare(setup)
    print("{}", file=answers, flush=True)  # ready
    for _ in sys.stdin:
        print(json.dumps(measured_run()), file=answers, flush=True)


def environment(threads: int) -> dict[str, str]:
    """Set the number of threads, which the numerical libraries ask for as they are loaded.

    OpenBLAS chooses its kernel and block sizes for the processor; the user's settings for these are
    dropped.
    """
    n = str(threads)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")},
        "OPENBLAS_NUM_THREADS": n,
        "MKL_NUM_THREADS": n,
        "VECLIB_MAXIMUM_THREADS": n,
        "OMP_NUM_THREADS": n,
        "RAYON_NUM_THREADS": n,
        "TOKENIZERS_PARALLELISM": "true",
        "HF_HUB_OFFLINE": "1",
    }


class ContestantError(ChildProcessError):
    """A contestant's process has ended before its time; the message has its last words."""

    def __init__(self, benchmark: str, contestant: str, words: str) -> None:
        super().__init__(f"{benchmark}, {contestant}: {words}")
        self.contestant = contestant


class Worker:
    """A contestant's process as the parent sees it."""

    def __init__(self, benchmark: str, contestant: str, setup: Setup) -> None:
        self.benchmark, self.contestant = benchmark, contestant
        command: list[str | Path] = [sys.executable, DOOR, "--worker", benchmark, contestant]
        command += ["--threads", str(setup.threads)]
        command += ["--size", setup.size, "--folder", str(setup.folder)]
        command += ["--quick"] if setup.quick else []
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  (close() closes it)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            encoding="utf-8",
            env=environment(setup.threads),
        )

    def answer(self) -> Figures:
        """Wait for its next line and read the figures in it.

        Raises:
            ContestantError: it ended instead.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            self.errors.seek(0)
            words = self.errors.read().decode(errors="replace").strip().splitlines()
            last = words[-1] if words else f"exit {status}"
            raise ContestantError(self.benchmark, self.contestant, last)
        figures: Figures = json.loads(line)
        return figures

    def run(self) -> Figures:
        """Have it do one measured run."""
        assert self.process.stdin is not None
        time.sleep(PAUSE_SECONDS)
        try:
            self.process.stdin.write("run\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: answer() says why
        return self.answer()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self.process.kill()
        self.process.communicate()
        self.errors.close()


@contextmanager
def started(name: str, contestants: list[Contestant], setup: Setup) -> Iterator[list[Worker]]:
    """Start the contestants' processes and wait until all are ready; end them with the block."""
    with ExitStack() as stack:
        workers = []
        for contestant in contestants:
            workers.append(Worker(name, contestant.name, setup))
            stack.callback(workers[-1].close)
        for worker in workers:
            worker.answer()
        yield workers
