"""Requests to a server, repeated after failures that may pass.

With ``GPTLITE_OFFLINE``, ``HF_HUB_OFFLINE`` or ``TRANSFORMERS_OFFLINE`` set to 1, ON, YES or TRUE
nothing is requested, nor from a page in a browser. Proxies and certificates work as in any program
that uses requests.
"""

import logging
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from errno import EHOSTUNREACH, ENETUNREACH
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from gptlite.errors import DownloadError
from gptlite.version import __version__

if TYPE_CHECKING:
    import requests

Result = TypeVar("Result")

TIMEOUT = (10, 60)  # seconds: to connect, and between two pieces of the answer
RETRIES = 5  # in a row that bring nothing new
RETRIES_WITHOUT_NETWORK = 1  # where nothing has come at all: there is no use in waiting
LONGEST_WAIT = 120.0  # seconds; if a server asks for more, the download fails
MIRROR_VARIABLES = ("HF_ENDPOINT", "GPTLITE_OPENAI_URL")  # addresses in place of official hosts
OFFLINE_VARIABLES = ("GPTLITE_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")

sleep = time.sleep  # a name of its own, so that tests need not wait
_log = logging.getLogger("gptlite")


class TryAgainError(Exception):
    """A failed attempt that may succeed later.

    Attributes:
        wait: the seconds that the server asks for.
        unreachable: the host, and why, if there seems to be no network that leads to it.
    """

    def __init__(
        self, reason: str, wait: float | None = None, unreachable: str | None = None
    ) -> None:
        super().__init__(reason)
        self.wait = wait
        self.unreachable = unreachable


class NoNetworkError(DownloadError):
    """No network leads to the host."""


def retry(url: str, attempt: Callable[[], Result], reached: Callable[[], int]) -> Result:
    """Make attempts until one succeeds, and return its result.

    Args:
        url: the address, for error messages.
        attempt: raises TryAgainError if another attempt may succeed.
        reached: says how far the attempts have come; an attempt that gets further does not count
            as a failure.

    Raises:
        NoNetworkError: the host cannot be reached at all.
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
            if failure.unreachable and not furthest:
                if failures > RETRIES_WITHOUT_NETWORK:
                    raise NoNetworkError(failure.unreachable) from failure
                sleep(0.5)
                continue
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
    from ssl import SSLCertVerificationError

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
                auth=credentials(url),
            )
        except (requests.ConnectionError, requests.Timeout) as error:
            if isinstance(innermost(error), SSLCertVerificationError):  # it will not pass
                raise DownloadError(f"{url}: {reason(error)}") from error
            why = why_unreachable(error)
            if isinstance(error, requests.ConnectTimeout):
                why = f"no answer within {TIMEOUT[0]} s"
            host = None if why is None else f"{urlsplit(url).hostname}: {why}"
            raise TryAgainError(reason(error), unreachable=host) from error
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
    # Not in the server's own words, which may be any bytes.
    meaning = f" ({HTTPStatus(status).phrase})" if status in list(HTTPStatus) else ""
    if status in (408, 429) or status >= 500:
        wait = _seconds(response.headers.get("Retry-After"))
        raise TryAgainError(f"status {status}{meaning}", wait)
    if status not in wanted:
        raise DownloadError(f"{url}: expected status 200, found {status}{meaning}")


def offline() -> str | None:
    """Say why nothing may be fetched, or can be; None if it can."""
    if sys.platform == "emscripten":
        return "Python in a browser has no network of its own"
    variable = next(filter(is_set, OFFLINE_VARIABLES), None)
    return variable and f"{variable} is set"


def is_set(variable: str) -> bool:
    """Say whether an environment variable is 1, ON, YES or TRUE, in any case."""
    return os.environ.get(variable, "").strip().upper() in ("1", "ON", "YES", "TRUE")


def reason(error: Exception) -> str:
    """Put a network error on one line: its kind, and its cause, which is often deep within it."""
    cause = str(innermost(error)) or str(error)
    # A server may have said some of it.
    words = " ".join(ascii(cause)[1:-1].split())
    return f"{type(error).__name__}: {words[:300]}"


def innermost(error: BaseException) -> BaseException:
    """Find the cause of an error: requests, urllib3 and http.client each wrap the one before."""
    for _ in range(10):
        inner = getattr(error, "reason", None) or next(iter(error.args), None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    return error


def why_unreachable(error: BaseException) -> str | None:
    """Say why there seems to be no network, no name or no way; None if there seems to be one."""
    seen: BaseException | None = innermost(error)
    for _ in range(10):
        if isinstance(seen, socket.gaierror) or (
            isinstance(seen, OSError) and seen.errno in (ENETUNREACH, EHOSTUNREACH)
        ):
            return seen.strerror or str(seen)
        seen = seen and (seen.__cause__ or seen.__context__)
    return None


# ---- Passwords ----------------------------------------------------------------------------------


def without_credentials(url: str) -> str:
    """Remove a user's name and password from an address, so that it can be shown and kept.

    >>> without_credentials("https://me:secret@mirror.example/hub")
    'https://mirror.example/hub'
    """
    return re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@", r"\1", url)


def credentials(url: str) -> tuple[str, str] | None:
    """Return the name and the password that a mirror's address has for its host, if it has any."""
    for variable in MIRROR_VARIABLES:
        given = os.environ.get(variable, "").strip()
        try:
            mirror, asked = urlsplit(given), urlsplit(url)
        except ValueError:  # not an address: the request says so
            continue
        name, at, host = mirror.netloc.rpartition("@")
        if at and (mirror.scheme, host) == (asked.scheme, asked.netloc):
            user, _, password = name.partition(":")
            return unquote(user), unquote(password)
    return None


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
