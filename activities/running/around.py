"""What the worker does around every activity: one interceptor says it as one function."""

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

Proceed = Callable[[ExecuteActivityInput], Awaitable[Any]]
"""The activity, and all interceptors that come after."""


class Around(Interceptor):
    """An interceptor of activities alone. A subclass says in `around` what happens before, after or instead of one."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap what comes next."""
        return _Inbound(next, self)

    async def around(self, input: ExecuteActivityInput, proceed: Proceed) -> Any:
        """Run one activity: `await proceed(input)`, or raise instead. Its result, or its error, is the activity's."""
        raise NotImplementedError


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, outer: Around) -> None:
        super().__init__(next)
        self._outer = outer

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return await self._outer.around(input, super().execute_activity)
