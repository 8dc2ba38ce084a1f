"""Errors that people read. Each says what is wrong, why, and what to do; data sits on attributes."""

INPUT_WAS_REFUSED = "the input was refused: "
"""Prefix of a reason that is about a run's input: nothing was done, and the same input will be refused again."""


class BatonError(Exception):
    """Something in Baton went wrong. Run `baton doctor`; if it finds nothing, report this."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class ContractViolation(BatonError):
    """What came in does not have the agreed shape. Correct the named fields and send it again."""

    def __init__(self, contract: str, problems: tuple[str, ...]) -> None:
        super().__init__(f"{contract}: " + "; ".join(problems))
        self.contract = contract
        self.problems = problems


class Refused(BatonError):
    """The request is well formed but not allowed now; the message says why, and what is."""


class NotFound(BatonError):
    """There is nothing under that name. `baton runs` and `baton gates` list what there is."""


class Ambiguous(BatonError):
    """Several things match that name; the message lists them. Type more of it."""


class NewerVersion(NotFound):
    """A newer version of Baton wrote this. Upgrade this worker or command; until then, whatever needs it waits."""

    @classmethod
    def than(cls, known: tuple[str, ...], name: str) -> "NewerVersion":
        """The error for a contract of which this release knows only these versions."""
        return cls(f"{name} is newer than this release can read ({', '.join(known)}). {cls.__doc__}")


class Misconfigured(BatonError):
    """A setting is missing or wrong. `baton doctor` says which, and how to fix it."""


class NoModel(Misconfigured):
    """No model that is routed to an agent can be reached. Set a key for the worker; `baton doctor` says which."""


class LedgerUnavailable(BatonError):
    """The ledger cannot be used now. Whatever needs it waits and retries; `baton doctor` says what is wrong."""


class DiskUnavailable(BatonError):
    """The worker's disk cannot be written now. Whatever needs it waits and retries; make room, `baton doctor` says where."""
