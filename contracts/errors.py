"""Errors that people read. Each says what is wrong, why, and what to do; data sits on attributes."""

INPUT_WAS_REFUSED = "the input was refused: "
"""How a reason begins that is about a run's input: nothing was done, and the same input will be refused again."""


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
    """The request is well formed but not allowed now; the message says why and what would be."""


class NotFound(BatonError):
    """There is nothing under that name. `baton runs` and `baton gates` list what there is."""


class Ambiguous(BatonError):
    """Several things have that name, or begin so; the message lists them. Type more of it."""


class NewerVersion(NotFound):
    """A newer version of Baton made this. Upgrade this worker or command; until then, what needs it waits."""

    @classmethod
    def than(cls, known: tuple[str, ...], name: str) -> "NewerVersion":
        """The error for a contract of which only these versions are known here."""
        return cls(f"{name} is newer than what this reads ({', '.join(known)}). {cls.__doc__}")


class Misconfigured(BatonError):
    """A setting is missing or wrong. `baton doctor` names it and how to mend it."""


class LedgerUnavailable(BatonError):
    """The ledger cannot be used now. What needs it waits and tries again; `baton doctor` says what is wrong."""
