"""The repository at the other end, asked directly: what it has, and what it said to a push."""

import re

from activities.git import source
from activities.git.command import Git
from activities.git.errors import GitProblem, PushRefused, RemoteUnknown, RepositoryUnreachable
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
        with source.reachable(self._address, self._git) as url:
            command = [url if argument == "{url}" else argument for argument in arguments]
            try:
                return self._git.run(*command, transport=self._address.transport, largest=largest).output
            except GitProblem as error:
                words = self.clean(str(error))
                raise RepositoryUnreachable(
                    f"{self._address.shown} could not be read: {words}. Check the address and this machine's access to it"[
                        :1500
                    ]
                ) from None

    def judge(self, code: int, report: str, said: str, name: str) -> None:
        """Read git's report on the one branch: accepted, refused, or not mentioned."""
        lines = [line.split("\t") for line in report.splitlines() if line.count("\t") == 2]
        answer = next((line for line in lines if line[1].endswith(f":{name}")), None)
        if answer is not None and answer[0] != "!" and code == 0:
            return
        if answer is not None and answer[0] == "!" and "remote failure" not in answer[2]:
            raise PushRefused(f"{self._address.shown} did not take {name}: {answer[2]}. {said}"[:1500])
        raise RemoteUnknown(f"{self._address.shown} gave no answer about {name}: {said or 'the connection ended'}"[:1500])

    def clean(self, words: str) -> str:
        """Git's words without what must not be shown of the address."""
        return words.replace(self._address.url, self._address.shown)
