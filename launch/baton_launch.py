"""What `baton` in an environment's `bin` starts. Alone in its folder: only this module is exposed to the environment's Python.

Baton's own modules have common names (`config`, `tests`, …). On the environment's import path they would be found by whatever
else runs with this Python, and a `PYTHONPATH` would hide them from Baton. Here they come first, and for Baton alone. What a
`PYTHONPATH` names comes last: it must not hide the packages that Baton was installed with either.
"""

import gc
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent if HERE.name == "launch" else HERE
"""The folder of `starter.py`: the checkout, or, installed from a wheel, the folder of this file."""


def main() -> None:
    """Entry point of `baton`."""
    # Hardly anything of what a command imports is garbage, and looking for it takes an eighth of its time. No command that only
    # reads has as many objects as this; one that stays, such as the console, looks once it has made so many more.
    gc.set_threshold(200_000)
    named = {os.path.abspath(one) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one}
    ours = [one for one in sys.path if os.path.abspath(one) not in named]
    sys.path[:] = [str(ROOT), *ours, *(one for one in sys.path if one not in ours)]
    import starter

    starter.main()
