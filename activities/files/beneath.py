"""Opens one path beneath an open folder and follows no symbolic link, on the way or at the end."""

import ctypes
import errno
import os
import stat

from contracts.errors import BatonError

PATH_ONLY: int = getattr(os, "O_PATH", os.O_RDONLY)
"""Opens a folder only to look up names beneath it, if the system can."""

_OPENAT2 = 437
_RESOLVE = 0x02 | 0x04 | 0x08  # no magic links, no symbolic links, beneath the folder
_LIBC = ctypes.CDLL(None, use_errno=True)


class PathRefused(BatonError):
    """The path is not allowed here. Name a file inside the workspace, relative to its top, without links."""

    def __init__(self, path: str, why: str, instead: str = "name a file inside the workspace, relative to its top") -> None:
        shown = ascii(path if len(path) <= 120 else path[:120] + "...")
        super().__init__(f"path {shown} refused: {why}; {instead}")
        self.path = path
        self.why = why


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_at(top: int, path: str, flags: int, mode: int) -> int:
    """Open with the kernel's own check (`openat2`), or folder by folder if the kernel has none.

    The path must have passed `validate`, or come from a listing of the same folder. Raises `PathRefused` for a link.
    """
    descriptor = _open_by_kernel(top, path, flags | os.O_CLOEXEC, mode)
    if descriptor is None:
        return _open_by_steps(top, path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    return descriptor


def _open_by_kernel(top: int, path: str, flags: int, mode: int) -> int | None:
    # Through libc's `syscall`, because Python has no `openat2`. The call refuses a mode without O_CREAT.
    how = _How(flags, mode if flags & os.O_CREAT else 0, _RESOLVE)
    for _ in range(100):  # EAGAIN: something was renamed during the lookup and the kernel asks for a retry
        result = _LIBC.syscall(_OPENAT2, top, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
        if result >= 0:
            return int(result)
        code = ctypes.get_errno()
        # An old kernel, or a container's seccomp filter that does not know the call: go folder by folder.
        if code in (errno.ENOSYS, errno.EPERM):
            return None
        if code != errno.EAGAIN:
            raise _problem(code, path)
    raise PathRefused(path, "folders in it keep being renamed", "try again")


def _open_by_steps(top: int, path: str, flags: int, mode: int) -> int:
    *folders, name = path.split("/")
    current = os.dup(top)
    try:
        for folder in folders:
            deeper = _step(current, folder, PATH_ONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW, 0, path)
            os.close(current)
            current = deeper
        return _step(current, name, flags, mode, path)
    finally:
        os.close(current)


def _step(folder: int, name: str, flags: int, mode: int, path: str) -> int:
    try:
        return os.open(name, flags, mode, dir_fd=folder)
    except OSError as error:
        # O_DIRECTORY with O_NOFOLLOW reports a link as ENOTDIR: tell it from a plain file.
        if error.errno == errno.ENOTDIR and stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise _problem(errno.ELOOP, path) from None
        raise _problem(error.errno or errno.EIO, path) from None


def _problem(code: int, path: str) -> Exception:
    if code in (errno.ELOOP, errno.EXDEV, errno.EMLINK):
        return PathRefused(path, "it leads through a symbolic link", "name the file itself, not a link to it")
    return OSError(code, os.strerror(code), path)
