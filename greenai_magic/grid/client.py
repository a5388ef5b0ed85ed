"""One GET of JSON: with a time limit, few retries, an hour's memory, and no failure but ``NoAnswer``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from greenai_magic.errors import GreenAIError, MissingExtra

TIMEOUT_S = 3.0
CACHE_S = 3600
RETRIED = (500, 502, 503, 504)
REFUSED = (401, 403)
TOO_MANY = 429


class NoAnswer(GreenAIError):
    """A provider gave no figure; the message completes a sentence about it and holds no token."""


def get_json(url: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Any:
    """Return the JSON that a GET answers, for an hour the same one.

    Parameters
    ----------
    url : str
        Without a query; its parameters are ``params``.
    params, headers : mapping of str to str
        Neither is repeated in a message.

    Raises
    ------
    NoAnswer
        If there is no answer in time, or it is no JSON.
    MissingExtra
        If the packages of the extra ``live`` are not installed.
    """
    session = _session()
    import requests

    # What these errors say may hold the token: nothing of it is kept.
    try:
        # A redirection could carry the token to another host.
        response = session.get(url, params=params, headers=headers, timeout=TIMEOUT_S, allow_redirects=False)
    except requests.Timeout:
        msg = f"did not answer within {TIMEOUT_S:g} s"
        raise NoAnswer(msg) from None
    except requests.ConnectionError:
        msg = "cannot be reached"
        raise NoAnswer(msg) from None
    except (requests.RequestException, UnicodeError):
        msg = "cannot be asked, check the address and the token"
        raise NoAnswer(msg) from None
    if response.status_code in REFUSED:
        msg = "refused the token"
        raise NoAnswer(msg)
    if response.status_code == TOO_MANY:
        msg = "was asked too often"
        raise NoAnswer(msg)
    if response.status_code != requests.codes.ok:
        msg = f"answered with the status {response.status_code}"
        raise NoAnswer(msg)
    try:
        return response.json()
    except (ValueError, RecursionError):
        forget()
        msg = "answered no JSON"
        raise NoAnswer(msg) from None


def forget() -> None:
    """Forget the answers of the last hour, so that a useless one is asked again."""
    _session().cache.clear()


@cache
def _session() -> Any:
    try:
        from requests.adapters import HTTPAdapter
        from requests_cache import CachedSession
        from urllib3 import Retry
    except ImportError as error:
        msg = "The live intensity of a grid needs packages: pip install 'greenai-magic[live]'"
        raise MissingExtra(msg) from error
    # In memory: on disk it would outlive the kernel, with the token in its requests.
    session = CachedSession(backend="memory", expire_after=CACHE_S, ignored_parameters=["auth-token"])
    retry = Retry(
        total=2,
        connect=1,
        read=False,
        backoff_factor=0.2,
        status_forcelist=RETRIED,
        # What a provider asks to wait may be minutes.
        respect_retry_after_header=False,
        raise_on_status=False,
    )
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session
