"""How often tests try at random: in CI, or where ``GPTLITE_FUZZ`` is set, ten times as often."""

import os

THOROUGH = bool(os.environ.get("CI") or os.environ.get("GPTLITE_FUZZ"))


def times(n: int) -> int:
    """Give all of the trials where tests are to be thorough, otherwise a tenth."""
    return n if THOROUGH else n // 10
