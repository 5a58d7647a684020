"""Codes that no table knows: each is reported once, since it may come with every answer from now on."""

from __future__ import annotations

import logging
from functools import lru_cache

logger = logging.getLogger(__name__)


@lru_cache(maxsize=1024)
def report_unknown(system: str, kind: str, code: str) -> None:
    """`kind` says what the code stands for (`track point`); `code` is as the system sent it, without padding."""
    logger.warning("%s sent an unknown %s: %r", system, kind, code)
