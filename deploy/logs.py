"""JSON logs on stderr, with secrets and identities taken out before a line is written."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

HIDDEN = "***"
_SECRET_KEY = re.compile(
    r"token|secret|password|authorization|cookie|seal|grant|email|(?:^|_)(?:vin|lat|lon|latitude|longitude)(?:_|$)",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"(?i)(bearer\s+)[\w.~+/=-]+|((?:refresh_token|access_token|client_secret|code)=)[^&\s]+|\b[A-HJ-NPR-Z0-9]{17}\b"
)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: values under secret names, bearer tokens, token parameters and VINs become ***."""
    for key, value in event.items():
        event[key] = _hide(key, value)
    return event


def _hide(key: str, value: Any) -> Any:
    if _SECRET_KEY.search(key):
        return HIDDEN
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {name: _hide(str(name), item) for name, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_hide("", item) for item in value]
    return _SECRET_TEXT.sub(lambda m: (m.group(1) or m.group(2) or "") + HIDDEN, str(value))


def configure(level: str) -> None:
    """Send our own and the libraries' logs to stderr as JSON lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for chatty in ("httpx", "httpcore", "aiokafka", "faust", "mode"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
