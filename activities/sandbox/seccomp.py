"""A system call filter as a second wall: it refuses what namespaces leave open (vsock, keyrings, io_uring, tracing)."""

import errno
import platform
import struct
from dataclasses import dataclass, field

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16
_X32 = 0x40000000
_NEW_NAMESPACES = 0x7E020000 | 0x80
_FAMILIES = (1, 2, 10, 16)  # unix, inet, inet6, netlink; the namespace has no interface but loopback

_EVERYWHERE = {428, 429, 430, 431, 432, 433, 442}  # the newer mount calls
_MISSING = {425, 426, 427, 435}  # io_uring and clone3: ENOSYS makes libraries fall back


@dataclass(frozen=True)
class _Machine:
    """Numbers of one architecture. `denied`: tracing, mounts, keyrings, bpf, namespaces, modules, other memory, the log."""

    audit: int
    clone: int
    sockets: tuple[int, int]
    denied: frozenset[int] = field(default_factory=frozenset)


_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        56,
        (41, 53),
        frozenset(
            {101, 103, 155, 165, 166, 167, 169, 175, 176, 246, 248, 249, 250, 272, 298, 304, 308, 310, 311, 313, 321, 323}
        ),
    ),
    "aarch64": _Machine(
        0xC00000B7,
        220,
        (198, 199),
        frozenset({39, 40, 41, 97, 104, 105, 106, 116, 117, 142, 217, 218, 219, 224, 241, 265, 268, 270, 271, 273, 280, 282}),
    ),
}


def program(machine: str | None = None) -> bytes | None:
    """The filter as the kernel takes it, for this machine; None if we have no table for its architecture."""
    table = _MACHINES.get(machine or platform.machine())
    if table is None:
        return None
    # The architecture first: in a 32-bit program the same numbers are other calls.
    code = [_line(_LOAD, _MACHINE), _line(_EQUAL, table.audit, 1, 0), _line(_RETURN, _KILL), _line(_LOAD, _NUMBER)]
    # x32 has the same calls under other numbers, which would pass every line below.
    code += [_line(_AT_LEAST, _X32, 0, 1), _refuse(errno.ENOSYS)]
    for number in sorted(table.denied | _EVERYWHERE):
        code += [_line(_EQUAL, number, 0, 1), _refuse(errno.EPERM)]
    for number in sorted(_MISSING):
        code += [_line(_EQUAL, number, 0, 1), _refuse(errno.ENOSYS)]
    # Only the old clone has its flags in an argument; clone3 has them in memory, which a filter cannot read.
    code += [_line(_EQUAL, table.clone, 0, 4), _line(_LOAD, _FIRST_ARGUMENT), _line(_ANY_BIT, _NEW_NAMESPACES, 0, 1)]
    code += [_refuse(errno.EPERM), _line(_RETURN, _ALLOW)]
    code += [_line(_EQUAL, table.sockets[0], 1, 0), _line(_EQUAL, table.sockets[1], 0, len(_FAMILIES) + 2)]
    code += [_line(_LOAD, _FIRST_ARGUMENT)]
    code += [_line(_EQUAL, family, len(_FAMILIES) - place, 0) for place, family in enumerate(_FAMILIES)]
    code += [_refuse(errno.EAFNOSUPPORT), _line(_RETURN, _ALLOW)]
    return b"".join(code)


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _refuse(code: int) -> bytes:
    return _line(_RETURN, _ERRNO | code)
