"""What the tests share: the folder of test data, which may be missing except in CI."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from fuzz import THOROUGH
from gptlite import Tokenizer

# A machine that is busy with something else is no reason to fail.
settings.register_profile("unhurried", deadline=None, max_examples=100 if THOROUGH else 40)
settings.load_profile("unhurried")

# Where tests run in the background these are ignored, which the processes they start inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Their fixtures serve several folders of tests.
pytest_plugins = ["servers", "tiny_checkpoints"]

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def official(shared: Path) -> Tokenizer:
    """GPT-2's own tokenizer, as OpenAI published it."""
    return Tokenizer.from_pretrained(shared / "gpt2-tokenizer")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of test data: ``GPTLITE_TEST_DATA``, by default ``../shared`` beside the checkout.

    It holds ``corpora/`` and ``gpt2-tokenizer/``. Where it is missing the test is skipped; in CI,
    where it belongs, the test fails.
    """
    folder = Path(os.environ.get("GPTLITE_TEST_DATA", ROOT.parent / "shared"))
    if not (folder / "corpora").is_dir() or not (folder / "gpt2-tokenizer").is_dir():
        message = f"no test data in {folder} (set GPTLITE_TEST_DATA)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder
