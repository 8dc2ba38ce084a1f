"""The repository at the other end, asked directly: what it has, and what it said to a push."""

import re

from activities.git import source
from activities.git.command import Git, GitTimedOut, Output
from activities.git.errors import GitProblem, PushRefused, RemoteUnknown, RepositoryUnreachable
from activities.git.listing import MAX_BYTES
from activities.git.place import is_branch

_ID = re.compile(r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")
_HEADS = "refs/heads/"


class Remote:
    """Reads from one repository. Every method asks it anew."""

    def __init__(self, git: Git, address: source.Address) -> None:
        self._git = git
        self._address = address

    def heads(self) -> dict[str, str]:
        """The commit of each branch that the repository has now."""
        answer = self.read("ls-remote", "--heads", "--quiet", "--", "{url}")
        lines = (line.partition("\t") for line in answer.decode(errors="surrogateescape").split("\n"))
        return {name.removeprefix(_HEADS): value for value, _, name in lines if name.startswith(_HEADS)}

    def listed(self, *names: str) -> dict[str, str]:
        """Ids by full name, asked of the remote now; under "" the branch that HEAD points to."""
        answer = self.read("ls-remote", "--symref", "--quiet", "--", "{url}", *names)
        found: dict[str, str] = {}
        for line in answer.decode(errors="replace").splitlines():
            value, _, name = line.partition("\t")
            if value.startswith("ref: ") and name == "HEAD" and is_branch(value.removeprefix("ref: ")):
                found[""] = value.removeprefix("ref: ")
            elif name in names and _ID.match(value):
                found[name] = value
        return found

    def read(self, *arguments: str, largest: int = 0) -> bytes:
        """Run a command that reads from the remote. Raises `RepositoryUnreachable` with the remote's words."""
        with source.reachable(self._address, self._git) as there:
            command = [there.url if argument == "{url}" else argument for argument in arguments]
            try:
                return self._git.run(*command, transport=self._address.transport, largest=largest).output
            except GitProblem as error:
                words = self._clean(there, str(error))
                raise RepositoryUnreachable(
                    f"{self._address.shown} could not be read: {words}. Check the address and this machine's access to it"[
                        :1500
                    ]
                ) from None

    def push(self, commit: str, name: str, *, expected: str | None) -> None:
        """As `Mirror.push`, for a branch's full name."""
        # The remote itself compares: between our query and the push somebody else may move the branch.
        lease = f"--force-with-lease={name}:{expected or ''}"
        self.admitted(commit, name)
        try:
            done = self._pushed(commit, name, lease)
        except GitTimedOut as error:
            raise RemoteUnknown(f"{self._address.shown} did not answer the push in time ({error})") from None
        self.judge(done.code, done.output.decode(errors="replace"), done.said, name)

    def admitted(self, commit: str, name: str) -> None:
        """Prepare a push and make none: what fails here has certainly changed nothing.

        Raises `PushRefused` with the repository's words if it can be read but not pushed to, `RepositoryUnreachable` if it does
        not answer at all. What it would say to this branch is not looked at: only the push itself hears that.
        """
        try:
            done = self._pushed(commit, name, "--dry-run")
        except GitTimedOut as error:
            raise RepositoryUnreachable(f"{self._address.shown} did not answer in time ({error})") from None
        if _answer(done.output.decode(errors="replace"), name) is not None:
            return
        self.listed(name)
        words = done.said or f"git ended with code {done.code} and said nothing"
        raise PushRefused(f"{self._address.shown} can be read, but takes no push from this machine: {words}"[:1500])

    def _pushed(self, commit: str, name: str, option: str) -> Output:
        branch = name.removeprefix(_HEADS)
        quiet = ("--porcelain", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no")
        with source.reachable(self._address, self._git, branch=branch) as there:
            done = self._git.run(
                *("push", *quiet, option, "--", there.url, f"{commit}:{name}"),
                transport=self._address.transport,
                codes=range(256),
                largest=MAX_BYTES,
            )
            report = self._clean(there, done.output.decode(errors="surrogateescape"))
            return Output(done.code, report.encode(errors="surrogateescape"), self._clean(there, done.said))

    def judge(self, code: int, report: str, said: str, name: str) -> None:
        """Read git's report on the one branch: accepted, refused, or not mentioned."""
        answer = _answer(report, name)
        if answer is not None and answer[0] != "!" and code == 0:
            return
        if answer is not None and answer[0] == "!" and "remote failure" not in answer[2]:
            raise PushRefused(f"{self._address.shown} did not take {name}: {answer[2]}. {said}"[:1500])
        raise RemoteUnknown(f"{self._address.shown} gave no answer about {name}: {said or 'the connection ended'}"[:1500])

    def _clean(self, there: source.Reached, words: str) -> str:
        """Git's words without what must not be shown of the address, and with paths that the user has."""
        return there.told(words).replace(self._address.url, self._address.shown)


def _answer(report: str, name: str) -> list[str] | None:
    """The line of git's report on this branch, in its three parts; None where it says nothing of it."""
    lines = (line.split("\t") for line in report.splitlines() if line.count("\t") == 2)
    return next((line for line in lines if line[1].endswith(f":{name}")), None)
