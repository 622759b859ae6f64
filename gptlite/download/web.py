"""Requests to a server, repeated after failures that may pass.

With ``GPTLITE_OFFLINE``, ``HF_HUB_OFFLINE`` or ``TRANSFORMERS_OFFLINE`` set to 1, ON, YES or TRUE
nothing is requested. Proxies and certificates work as in any program that uses requests.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from gptlite.errors import DownloadError
from gptlite.version import __version__

if TYPE_CHECKING:
    import requests

Result = TypeVar("Result")

TIMEOUT = (10, 60)  # seconds: to connect, and between two pieces of the answer
RETRIES = 5  # in a row that bring nothing new
LONGEST_WAIT = 120.0  # seconds; if a server asks for more, the download fails
OFFLINE_VARIABLES = ("GPTLITE_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")

sleep = time.sleep  # a name of its own, so that tests need not wait
_log = logging.getLogger("gptlite")


class TryAgainError(Exception):
    """A failed attempt that may succeed later; ``wait``: the seconds that the server asks for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def retry(url: str, attempt: Callable[[], Result], reached: Callable[[], int]) -> Result:
    """Make attempts until one succeeds, and return its result.

    Args:
        url: the address, for error messages.
        attempt: raises TryAgainError if another attempt may succeed.
        reached: says how far the attempts have come; an attempt that gets further does not count
            as a failure.

    Raises:
        DownloadError: too many in a row got no further, or the server asks for too long a wait.
    """
    furthest, failures = reached(), 0
    while True:
        try:
            return attempt()
        except TryAgainError as failure:
            # Further than any attempt before: a server that starts anew each time and never gets
            # to the end must not keep us forever.
            now = reached()
            failures = 0 if now > furthest else failures + 1
            furthest = max(now, furthest)
            wait = 2.0 ** max(0, failures - 1) if failure.wait is None else failure.wait
            if failures > RETRIES:
                raise DownloadError(
                    f"{url}: {failure} ({failures} attempts in a row brought nothing new)"
                ) from failure
            if wait > LONGEST_WAIT:
                raise DownloadError(
                    f"{url}: {failure}, and the server asks to wait {wait:.0f} s"
                ) from failure
            _log.warning("%s: %s: again in %.0f s", url, failure, wait)
            sleep(wait)


@contextmanager
def request(method: str, url: str, headers: Mapping[str, str]) -> Iterator["requests.Response"]:
    """Make one request; the body of the response has not been read yet.

    Redirects are followed, except after a HEAD, which asks about the address itself.

    Raises:
        TryAgainError: the server could not be reached, or did not answer.
        DownloadError: not an address, or one that leads nowhere.
    """
    import requests
    from urllib3.exceptions import HTTPError

    headers = {
        "User-Agent": f"gptlite/{__version__}",
        # The bytes of a compressed response could not be counted, and it could not be resumed.
        "Accept-Encoding": "identity",
        **headers,
    }
    with requests.Session() as session:
        try:
            response = session.request(
                method,
                url,
                headers=headers,
                stream=True,
                timeout=TIMEOUT,
                allow_redirects=method != "HEAD",
            )
        except (requests.ConnectionError, requests.Timeout) as error:
            raise TryAgainError(reason(error)) from error
        except (OSError, HTTPError, ValueError) as error:  # requests' other errors are OSErrors
            raise DownloadError(f"{url}: {reason(error)}") from error
        with response:
            yield response


def check_status(response: "requests.Response", url: str, wanted: Collection[int]) -> None:
    """Refuse a response whose status is not wanted.

    Raises:
        TryAgainError: a status of a failure that may pass.
        DownloadError: any other status.
    """
    status = response.status_code
    if status in (408, 429) or status >= 500:
        wait = _seconds(response.headers.get("Retry-After"))
        raise TryAgainError(f"status {status} ({response.reason})", wait)
    if status not in wanted:
        raise DownloadError(f"{url}: expected status 200, found {status} ({response.reason})")


def offline() -> str | None:
    """Name the environment variable that forbids fetching anything; None if none does."""
    return next((variable for variable in OFFLINE_VARIABLES if is_set(variable)), None)


def is_set(variable: str) -> bool:
    """Say whether an environment variable is 1, ON, YES or TRUE, in any case."""
    return os.environ.get(variable, "").strip().upper() in ("1", "ON", "YES", "TRUE")


def reason(error: Exception) -> str:
    """Put a network error on one line; its own text is often too long for that."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After header, seconds or a date, as seconds; None if it says neither."""
    if retry_after is None:
        return None
    if re.fullmatch("[0-9]{1,9}", retry_after.strip()):
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
    except (TypeError, ValueError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    return max(0.0, (until - datetime.now(timezone.utc)).total_seconds())
