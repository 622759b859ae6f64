"""Asking a server, and asking again where what went wrong may pass.

With ``GPTLITE_OFFLINE``, ``HF_HUB_OFFLINE`` or ``TRANSFORMERS_OFFLINE`` set to 1, ON, YES or TRUE
nothing is asked. Proxies and certificates are as for any program that uses requests.
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

if TYPE_CHECKING:
    import requests

Result = TypeVar("Result")

TIMEOUT = (10, 60)  # seconds: to connect, and between two pieces of the answer
RETRIES = 5  # in a row that bring nothing new
LONGEST_WAIT = 120.0  # seconds; a server that asks for more is not waited for
OFFLINE_VARIABLES = ("GPTLITE_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")

sleep = time.sleep  # a name of its own, so that tests need not wait
_log = logging.getLogger("gptlite")


class TryAgainError(Exception):
    """An attempt failed in a way that may pass; ``wait``: seconds that the server asks for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def insist(url: str, attempt: Callable[[], Result], reached: Callable[[], int]) -> Result:
    """Make attempts until one ends well; gives what that one gave.

    Args:
        url: for the message of an error.
        attempt: raises TryAgainError where another may do better.
        reached: how far the attempts have come; one that got further was no failure.

    Raises:
        DownloadError: too many in a row got no further, or the server asks for too long a wait.
    """
    furthest, failures = reached(), 0
    while True:
        try:
            return attempt()
        except TryAgainError as failure:
            # Beyond what had come before, not just more: a server that never gets to the end and
            # does not know how to go on must not keep us for ever.
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
def answer(method: str, url: str, headers: Mapping[str, str]) -> Iterator["requests.Response"]:
    """A server's answer to one request, whose body is still to be read.

    Redirects are followed, but not of a HEAD, which asks about the address itself.

    Raises:
        TryAgainError: it could not be reached, or did not answer.
        DownloadError: the address is none, or leads nowhere.
    """
    import requests
    from urllib3.exceptions import HTTPError

    headers = {
        "User-Agent": _user_agent(),
        # A compressed answer could not be counted, nor gone on with.
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
        except (OSError, HTTPError, ValueError) as error:  # requests' others are OSErrors
            raise DownloadError(f"{url}: {reason(error)}") from error
        with response:
            yield response


def check_status(response: "requests.Response", url: str, wanted: Collection[int]) -> None:
    """Refuse an answer of another status than those that are wanted.

    Raises:
        TryAgainError: the status says that it may pass.
        DownloadError: it will not.
    """
    status = response.status_code
    if status in (408, 429) or status >= 500:
        wait = _seconds(response.headers.get("Retry-After"))
        raise TryAgainError(f"status {status} ({response.reason})", wait)
    if status not in wanted:
        raise DownloadError(f"{url}: expected status 200, found {status} ({response.reason})")


def offline() -> str | None:
    """The environment variable that forbids to fetch anything; None if none does."""
    return next((variable for variable in OFFLINE_VARIABLES if is_set(variable)), None)


def is_set(variable: str) -> bool:
    return os.environ.get(variable, "").strip().upper() in ("1", "ON", "YES", "TRUE")


def _user_agent() -> str:
    from gptlite import __version__

    return f"gptlite/{__version__}"


def reason(error: Exception) -> str:
    """A network error on one line, which its own words seldom are short enough for."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _seconds(retry_after: str | None) -> float | None:
    """What a Retry-After header asks for: seconds, or until a date; None if it says nothing."""
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
