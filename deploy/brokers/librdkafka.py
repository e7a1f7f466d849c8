"""The librdkafka that the confluent-kafka wheel carries, opened for its in-process cluster.

The cluster keeps 5 MiB or 100,000 messages per partition and drops the oldest beyond that, which would lose
changelogs. No call changes the limits, so a private copy of the library is opened in which that pair of
constants is larger. The copy that confluent-kafka itself uses is never touched.
"""

import ctypes
import struct
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

from deploy.brokers.errors import BrokerError

_STOCK_LIMITS = struct.pack("<QQ", 5 * 1024 * 1024, 100_000)  # bytes, message sets
_LIFTED_LIMITS = struct.pack("<QQ", 1 << 40, 1 << 40)

_POINTER = ctypes.c_void_p
_SIGNATURES: dict[str, tuple[object, Sequence[object]]] = {
    "rd_kafka_conf_new": (_POINTER, ()),
    "rd_kafka_conf_set": (
        ctypes.c_int,
        (_POINTER, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t),
    ),
    "rd_kafka_new": (_POINTER, (ctypes.c_int, _POINTER, ctypes.c_char_p, ctypes.c_size_t)),
    "rd_kafka_destroy": (None, (_POINTER,)),
    "rd_kafka_err2str": (ctypes.c_char_p, (ctypes.c_int,)),
    "rd_kafka_mock_cluster_new": (_POINTER, (_POINTER, ctypes.c_int)),
    "rd_kafka_mock_cluster_destroy": (None, (_POINTER,)),
    "rd_kafka_mock_cluster_bootstraps": (ctypes.c_char_p, (_POINTER,)),
    "rd_kafka_mock_topic_create": (ctypes.c_int, (_POINTER, ctypes.c_char_p, ctypes.c_int, ctypes.c_int)),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, (_POINTER, ctypes.c_int32)),
}


def bundled_library() -> Path:
    """Path of the librdkafka inside the installed confluent-kafka wheel.

    Raises:
        BrokerError: confluent-kafka is not installed, or was built without its own librdkafka.
    """
    try:
        files = metadata.files("confluent-kafka") or []
    except metadata.PackageNotFoundError:
        raise BrokerError("the embedded broker needs confluent-kafka; run: make setup") from None
    for file in files:
        if file.name.startswith("librdkafka") and (".so" in file.name or file.name.endswith(".dylib")):
            return Path(str(file.locate()))
    raise BrokerError(
        "this confluent-kafka was built without its own librdkafka; install the wheel: "
        "pip install --only-binary confluent-kafka --force-reinstall confluent-kafka"
    )


@cache  # a library once opened stays mapped
def open_library() -> tuple[ctypes.CDLL, bool]:
    """The library with typed functions, and whether its retention limits could be lifted.

    Raises:
        BrokerError: no library, or one without the in-process cluster.
    """
    path = bundled_library()
    image = path.read_bytes()
    # Not exactly one match: a build we do not know. macOS refuses an image whose signature broke.
    lifted = image.count(_STOCK_LIMITS) == 1 and sys.platform == "linux"
    library = _open_copy(image.replace(_STOCK_LIMITS, _LIFTED_LIMITS)) if lifted else ctypes.CDLL(str(path))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name, None)
        if function is None:
            raise BrokerError(f"librdkafka in {path.parent.name} has no {name}; run: make setup")
        function.restype, function.argtypes = result, arguments
    return library, lifted


def _open_copy(image: bytes) -> ctypes.CDLL:
    with tempfile.NamedTemporaryFile(prefix="d2ev-librdkafka-", suffix=".so") as file:
        file.write(image)
        file.flush()
        return ctypes.CDLL(file.name)  # stays mapped after the file is gone
