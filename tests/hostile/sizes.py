"""Repositories that are small to send and large to have: trees that repeat, deep folders, deltas of deltas."""

import hashlib
import struct
import zlib
from itertools import repeat
from pathlib import Path

from tests.hostile import careless
from tests.hostile.objects import commit_of, entry, write
from tests.hostile.tricks import Trick, trips
from tests.hostile.world import World
from tests.repositories import plain, repository

FULL = trips("overfull")
BASE = 65536
TIMES = (255, 32)
"""How often each delta repeats the object before it: 64 KiB become 16 MiB, and these 510 MiB."""


def _repeated(world: World, path: Path) -> Path:
    """Twelve objects that name ten thousand million files."""
    repository(path)
    name, mode = write(path, "blob", b"x"), "100644"
    for _ in range(10):
        name, mode = write(path, "tree", b"".join(entry(mode, b"%d" % number, name) for number in range(10))), "40000"
    commit_of(path, name, "main")
    plain(path, "repack", "-adq")
    return path


def _deep(world: World, path: Path) -> Path:
    """A file below a thousand folders."""
    repository(path)
    name, mode = write(path, "blob", b"x"), "100644"
    for _ in range(1000):
        name, mode = write(path, "tree", entry(mode, b"dd", name)), "40000"
    return commit_of(path, name, "main")


def _deltas(world: World, path: Path) -> Path:
    """A pack of some kilobytes with a file of half a gigabyte. Git itself never unpacks it here: its index is ours, too."""
    repository(path)
    size, names = BASE, [_blob_id(BASE)]
    objects = [_entry(3, BASE, b"x" * BASE)]
    for times in TIMES:
        copy = b"\xf0" + struct.pack("<I", size)[:3] if size != BASE else b"\x80"
        delta = _varint(size) + _varint(size * times) + copy * times
        objects.append(_entry(7, len(delta), delta, bytes.fromhex(names[-1])))
        size *= times
        names.append(_blob_id(size))
    _write_pack(path / ".git" / "objects" / "pack", list(zip(names, objects, strict=True)))
    tree = write(path, "tree", b"".join(entry("100644", b"%d" % at, name) for at, name in enumerate(names)))
    return commit_of(path, tree, "main")


def _blob_id(size: int) -> str:
    digest = hashlib.sha1(f"blob {size}\0".encode())  # the name that git gives it
    for piece in repeat(b"x" * BASE, size // BASE):
        digest.update(piece)
    return digest.hexdigest()


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _entry(kind: int, size: int, data: bytes, base: bytes = b"") -> bytes:
    """One object of a pack: its kind and size, the object it is a delta of, its bytes."""
    first, rest = kind << 4 | size & 0xF, size >> 4
    head = bytes([first | 0x80]) + _varint(rest) if rest else bytes([first])
    return head + base + zlib.compress(data, 9)


def _write_pack(folder: Path, objects: list[tuple[str, bytes]]) -> None:
    """The pack, and its index in git's second format."""
    body, where = b"PACK" + struct.pack(">II", 2, len(objects)), {}
    for name, data in objects:
        where[name] = (len(body), zlib.crc32(data))
        body += data
    body += hashlib.sha1(body).digest()
    names = sorted(where)
    counts = [sum(int(name[:2], 16) <= first for name in names) for first in range(256)]
    index = b"\xfftOc" + struct.pack(">I", 2) + struct.pack(">256I", *counts)
    index += b"".join(bytes.fromhex(name) for name in names)
    index += b"".join(struct.pack(">I", where[name][1]) for name in names)
    index += b"".join(struct.pack(">I", where[name][0]) for name in names) + body[-20:]
    folder.mkdir(exist_ok=True)
    (folder / "pack-evil.pack").write_bytes(body)
    (folder / "pack-evil.idx").write_bytes(index + hashlib.sha1(index).digest())


SIZES = (
    Trick("repeated", _repeated, careless.measure, FULL, refused="names far more than 100000 files"),
    Trick("deep", _deep, careless.measure, FULL, refused="has a path of 1025 bytes"),
    Trick("deltas", _deltas, careless.measure, FULL, refused="MiB of memory to be unpacked"),
)
