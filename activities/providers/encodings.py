"""Compressed bodies, which are not asked for and come all the same: expanded within the limit of a reply."""

import zlib

from contracts.errors import BatonError

_GZIP, _ZLIB, _RAW = 31, 15, -15
"""How zlib is told which format it gets."""

_ZSTD = b"\x28\xb5\x2f\xfd"

_PLAIN = frozenset({"", "identity", "none", "binary", "utf-8", "utf8", "utf-16"})
"""What servers write where nothing is compressed."""


class TooLarge(BatonError):
    """The expanded body is larger than the limit; expanding stopped there."""


class Undecodable(BatonError):
    """The body is compressed in a way that is not understood, or is damaged."""


class CutOff(BatonError):
    """The compressed body ends in the middle."""


def decoded(body: bytes, header: str, limit: int) -> bytes:
    """The plain body; `header` is the reply's content-encoding. Never longer than `limit` bytes.

    The bytes count for more than the header: proxies compress without saying so, and say so without compressing. Raises
    `TooLarge`, `Undecodable` and `CutOff`.
    """
    layers = [one.strip().lower() for one in header.split(",")]
    # The last one named was applied last. One more than named, for a proxy that says nothing.
    for layer in [*reversed(layers), ""]:
        body = _layer(body, layer.removeprefix("x-"), limit)
    return body


def _layer(body: bytes, name: str, limit: int) -> bytes:
    if body.startswith(b"\x1f\x8b\x08"):
        return _expanded(body, _GZIP, limit)
    if name == "deflate" and not _is_text(body):
        zlib_header = len(body) > 1 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
        return _expanded(body, _ZLIB if zlib_header else _RAW, limit)
    if body.startswith(_ZSTD):
        name = "zstd"
    if name in _PLAIN or not body or _is_text(body):
        return body
    # Nothing that Baton installs reads Brotli or zstd, and nobody is asked for them.
    raise Undecodable(
        f"the reply is compressed ({name}) although plain bytes were asked for, and cannot be read: switch {name} off at the "
        "server or the proxy before it, or have it compress with gzip"
    )


def _is_text(body: bytes) -> bool:
    """Whether these are plain bytes after all: compressed ones are no UTF-8, but for the shortest."""
    try:
        start = body.decode("utf-8")[:100]
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char in "\ufeff\t\r\n" for char in start)


def _expanded(body: bytes, wbits: int, limit: int) -> bytes:
    parts, size = [], 0
    while body:
        one = zlib.decompressobj(wbits)
        try:
            part = one.decompress(body, limit - size + 1)
        except zlib.error as error:
            raise Undecodable(f"the reply is compressed and damaged: {error}") from None
        size += len(part)
        parts.append(part)
        if size > limit:
            raise TooLarge(f"the reply is larger than {limit} bytes once it is expanded; reading stopped there")
        if not one.eof:
            raise CutOff("the compressed reply ends in the middle")
        # Several members may follow each other in one body; what is no member is padding.
        body = one.unused_data if one.unused_data.startswith(b"\x1f\x8b") else b""
    return b"".join(parts)
