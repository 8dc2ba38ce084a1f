"""The table `[checks]` of baton.toml: how long a check may take and how much it may use."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from contracts.base import Input

Length = Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(hours=12))]


MiB = Annotated[int, Field(le=16 << 20)]
"""Up to 16 TiB: more than any machine has, and less than what an operating system's limits can hold."""


class CheckLimits(Input):
    """Each holds for one run of a check. Durations as ISO 8601, such as "PT30M"; sizes in MiB."""

    time: Length = Field(default=timedelta(minutes=30), description="before it is stopped")
    cpu: Length = Field(default=timedelta(minutes=10), description="processor time of one process")
    processes: int = Field(default=256, ge=8, le=65_536, description="processes and threads at once")
    memory_mib: MiB = Field(default=2048, ge=64, description="that all its processes use together")
    file_mib: MiB = Field(default=512, ge=1, description="of one file that it writes")
    tmp_mib: MiB = Field(default=512, ge=16, description="of /tmp, and of /dev/shm")
