"""What a cloud does at its end: AWS checks a signature and sends its frames, Google gives out tokens. Each by its own page."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.wire.plays import Seen

ACCESS, SECRET = "AKIDMADEFORTHETEST", "made/for+the-test-0123456789"


def signed_with(seen: Seen, secret: str, region: str) -> bool:
    """Whether a request is signed with this secret, by AWS's "Signature Version 4", and nothing in it was changed since."""
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=[^/]+/(\d{8})/([a-z0-9-]+)/bedrock/aws4_request, SignedHeaders=(\S+), Signature=(\w+)",
        seen.headers.get("authorization", ""),
    )
    if found is None or found[2] != region:
        return False
    day, names = found[1], found[3].split(";")
    # Every service but S3 has each part of the path escaped once more than it was sent.
    path = quote(seen.asked, safe="/-_.~")
    headers = "".join(f"{name}:{' '.join(seen.headers[name].split())}\n" for name in names)
    canonical = "\n".join([seen.method, path, "", headers, found[3], hashlib.sha256(seen.raw).hexdigest()])
    scope = f"{day}/{region}/bedrock/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", seen.headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (day, region, "bedrock", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), found[4])


def frames(stream: bytes) -> bytes:
    """The events of a stream as Bedrock's frames."""
    data = [line[6:] for line in stream.decode().split("\n") if line.startswith("data: ")]
    named = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return b"".join(frame(named, {"bytes": base64.b64encode(one.encode()).decode(), "p": "abc"}) for one in data)


def frame(headers: Mapping[str, str], payload: Any) -> bytes:
    """One frame of the encoding `application/vnd.amazon.eventstream`: lengths, checksum, headers, payload, checksum."""
    body = json.dumps(payload).encode()
    named = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + len(value).to_bytes(2) + value.encode()
        for name, value in headers.items()
    )
    start = (16 + len(named) + len(body)).to_bytes(4) + len(named).to_bytes(4)
    start += zlib.crc32(start).to_bytes(4)
    whole = start + named + body
    return whole + zlib.crc32(whole).to_bytes(4)


class TokenServer:
    """Google's token server on loopback: `async with TokenServer() as tokens`. It knows the one account that it has made."""

    def __init__(self) -> None:
        self.refuses = False
        self.given: list[str] = []
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/token"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def account(self, file: Path) -> Path:
        """Write the service account's key, as Google hands it out."""
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        key = self._key.private_bytes(*form).decode()
        whole = {"type": "service_account", "project_id": "shop", "private_key_id": "k1", "private_key": key}
        whole |= {"client_email": "baton@shop.iam.gserviceaccount.com", "client_id": "1", "token_uri": self.url}
        file.write_text(json.dumps(whole))
        return file

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = re.search(r"content-length: (\d+)", head)
        asked = parse_qs((await reader.readexactly(int(size[1]) if size else 0)).decode())
        status, answer = self._answer(unquote(asked["assertion"][0]))
        body = json.dumps(answer).encode()
        writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (status, len(body)) + body)
        await writer.drain()
        writer.close()

    def _answer(self, assertion: str) -> tuple[int, dict[str, Any]]:
        if self.refuses:
            return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
        said, _, signature = assertion.rpartition(".")
        made = base64.urlsafe_b64decode(signature + "==")
        self._key.public_key().verify(made, said.encode(), padding.PKCS1v15(), hashes.SHA256())
        self.given.append(f"ya29.made-{len(self.given)}")
        return 200, {"access_token": self.given[-1], "expires_in": 3600, "token_type": "Bearer"}
