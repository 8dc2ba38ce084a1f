"""`baton` without its start: a fork of the warm process at a socket does what is asked, and this ends as that ends.

`python -I -S tests/forked.py SOCKET ARGUMENT…`. Started by the hundred, so it imports little.
"""

import json
import os
import signal
import socket
import sys

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Hand over arguments, folder, environment and streams; pass signals on; end with the same code or by the same signal."""
    streams = [number for number in (0, 1, 2) if _is_open(number)]
    asked = {"arguments": sys.argv[2:], "folder": os.getcwd(), "variables": dict(os.environ), "streams": streams}
    body = json.dumps(asked).encode()
    with socket.socket(socket.AF_UNIX) as there:
        there.connect(sys.argv[1])
        socket.send_fds(there, [len(body).to_bytes(4, "big")], streams)
        there.sendall(body)
        answers = there.makefile()
        pid = int(answers.readline())
        for number in PASSED_ON:
            signal.signal(number, lambda number, _: os.kill(pid, number))
        code = os.waitstatus_to_exitcode(int(answers.readline()))
    if code < 0:
        if -code != signal.SIGKILL:  # which nobody can handle
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
