"""Compressed replies are read within the limit, and what cannot be expanded has its kind."""

import gzip
import json
import zlib
from typing import Any

import pytest

from activities.providers.base import Provider, ProviderError
from tests.wire.samples import MADE, ask
from tests.wire.server import Play, WireServer
from tests.wire.told import COUNTED
from tests.wire.vendors import TEXT, completion, message, response, said

PACKED: list[tuple[str, dict[str, str], Any]] = [
    ("nginx: gzip", {"content-encoding": "gzip"}, gzip.compress),
    ("IIS: GZIP", {"content-encoding": "GZIP"}, gzip.compress),
    ("an old proxy: x-gzip", {"content-encoding": "x-gzip"}, gzip.compress),
    ("deflate", {"content-encoding": "deflate"}, zlib.compress),
    ("deflate without its header", {"content-encoding": "deflate"}, lambda data: zlib.compress(data)[2:-4]),
    ("twice", {"content-encoding": "gzip, gzip"}, lambda data: gzip.compress(gzip.compress(data))),
    ("two members", {"content-encoding": "gzip"}, lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
    ("agentgateway: named and not done", {"content-encoding": "gzip"}, bytes),
    ("agentgateway: utf-8", {"content-encoding": "utf-8"}, bytes),
    ("named and empty", {"content-encoding": ""}, bytes),
    ("done and not named", {}, gzip.compress),
    ("br, and not done", {"content-encoding": "br"}, bytes),
]


@pytest.mark.parametrize(("headers", "pack"), [case[1:] for case in PACKED], ids=[case[0] for case in PACKED])
async def test_a_compressed_reply_is_read(server: WireServer, provider: Provider, headers: dict[str, str], pack: Any) -> None:
    """Also an error, whose status counts: a refused key is one after a single request."""
    right = {
        "chat": completion({"content": TEXT}),
        "anthropic": message([{"type": "text", "text": TEXT}]),
        "responses": response(said()),
    }
    body = next(right[name] for name, made in MADE.items() if type(provider) is made)
    refusal = json.dumps({"error": {"message": "wrong key"}}).encode()
    server.play(Play(pack(json.dumps(body).encode()), headers=headers), Play(pack(refusal), status=401, headers=headers))
    reply = await provider.complete(ask())
    assert (reply.text, reply.usage) == (TEXT, COUNTED)
    with pytest.raises(ProviderError, match="wrong key") as caught:
        await provider.complete(ask())
    assert (caught.value.kind, caught.value.maybe_charged) == ("authentication", False)


async def test_what_expands_beyond_the_limit_is_no_reply(server: WireServer, provider: Provider) -> None:
    """A few kilobytes that hold gigabytes cost no memory: reading stops at the limit."""
    bomb = gzip.compress(b" " * 64 * 1024 * 1024)
    server.play(Play(bomb, headers={"content-encoding": "gzip"}))
    with pytest.raises(ProviderError, match="larger than") as caught:
        await provider.complete(ask())
    assert caught.value.kind == "drift"


DAMAGED = [
    (gzip.compress(b"{}" * 999)[:-20], 200, "cut"),
    (gzip.compress(b"{}" * 999)[:10] + b"\xff" * 50, 200, "drift"),
    (b"\x28\xb5\x2f\xfd\x04\x00", 200, "drift"),
    (b"\x28\xb5\x2f\xfd\x04\x00", 401, "authentication"),
    (b"\x28\xb5\x2f\xfd\x04\x00", 503, "overloaded"),
]


@pytest.mark.parametrize(("body", "status", "kind"), DAMAGED)
async def test_what_cannot_be_expanded_has_its_kind(
    server: WireServer, provider: Provider, body: bytes, status: int, kind: str
) -> None:
    """Half a reply is one that was cut, an unknown compression is drift, and a status is known without its text."""
    server.play(Play(body, status=status, headers={"content-encoding": "zstd"}))
    with pytest.raises(ProviderError) as caught:
        await provider.complete(ask())
    assert caught.value.kind == kind


ZSTD = b"\x28\xb5\x2f\xfd\x24\x02\x11\x00\x00{}\x7d\xee\x0b\x4b"
BROTLI = b"\x0b\x00\x80{}\x03\xff\xc1"
NAMED = [
    ("cloudflare: br", "br", BROTLI),
    ("caddy: zstd", "zstd", ZSTD),
    ("envoy: BR", "BR", BROTLI),
    ("zstd in gzip", "zstd, gzip", gzip.compress(ZSTD)),
    ("zstd, and not named", "", ZSTD),
    ("one that nobody knows", "snappy", b"\xff\x06\x00\x00sNaPpY"),
]


@pytest.mark.parametrize(("encoding", "body"), [case[1:] for case in NAMED], ids=[case[0] for case in NAMED])
async def test_what_is_not_read_is_never_asked_for_and_refused_by_name(
    server: WireServer, provider: Provider, encoding: str, body: bytes
) -> None:
    """With what to do about it. A refusal in it has the kind of its status, and costs nothing."""
    headers = {"content-encoding": encoding} if encoding else {}
    server.play(Play(body, headers=headers), Play(body, status=401, headers=headers))
    name = "zstd" if body == ZSTD or "zstd" in encoding else encoding.lower()
    kinds = []
    for _ in range(2):
        with pytest.raises(ProviderError, match=rf"compressed \({name}\).*switch {name} off") as caught:
            await provider.complete(ask())
        kinds.append((caught.value.kind, caught.value.maybe_charged))
    assert kinds == [("drift", True), ("authentication", False)]
    assert {seen.headers["accept-encoding"] for seen in server.requests} == {"identity"}
