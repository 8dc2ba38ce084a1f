"""The adapters of `git.open_pull_request` and `git.comment`, by GitHub's REST interface (docs.github.com/rest).

A pull request is found by its branches. A comment is found by a mark in its text, which the host does not show.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from activities.actions.adapter import NotSent, TargetRefused, Unclear
from activities.actions.declared import Targets
from activities.actions.http_post import said
from activities.actions.web import Answer, Call, request
from contracts.actions import Receipt
from contracts.effects.github import GitComment, OpenPullRequest
from contracts.effects.targets import GitHubTarget
from contracts.errors import BatonError, ContractViolation, Misconfigured, Refused
from contracts.intents import Arguments

PAGE, PAGES = 100, 30
"""How many comments are asked for at once, and how often: one that is further back is not found."""


class _Host:
    """One declared host."""

    def __init__(self, targets: Targets, name: str, repository: str) -> None:
        """Raises `Refused` for a repository that the target does not declare."""
        self.target = targets.get(name, GitHubTarget)
        allowed = {one.lower() for one in self.target.repositories}
        if repository.lower() not in allowed:
            raise Refused(
                f"the target {name} writes to {', '.join(self.target.repositories)}, and not to {repository}; "
                "an operator adds it to its `repositories`"
            )
        self._targets, self._name = targets, name
        self.repository = repository

    def get(self, path: str, **query: str | int) -> Any:
        """What the host has there."""
        answer = self._call("GET", f"{path}?{urlencode(query)}", b"")
        if answer.status != 200 or not answer.whole:
            raise self._error(answer, acted=False)
        return _json(answer)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Have it make something there; returns what it made."""
        answer = self._call("POST", path, json.dumps(body).encode())
        if answer.status != 201:
            raise self._error(answer, acted=True)
        return _json(answer)

    def _call(self, method: str, path: str, body: bytes) -> Answer:
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        # Only here: what is declared is checked on workers that have no keys, too.
        key = self._targets.secret(self._name, self.target.key_env, self.target.key_file)
        headers |= {"Authorization": f"Bearer {key}"} if key else {}
        headers |= {"Content-Type": "application/json"} if body else {}
        url, seconds = f"{self.target.api}/repos/{self.repository}{path}", self.target.timeout.total_seconds()
        return request(Call(method, url, headers, body, private=self.target.private, seconds=seconds))

    def _error(self, answer: Answer, *, acted: bool) -> BatonError:
        text = f"{self.target.api} answered {said(answer)}"
        # GitHub says with 403 that somebody asks too often, and then in a header how long to wait.
        often = answer.status == 429 or (answer.status == 403 and answer.headers.get("x-ratelimit-remaining") == "0")
        if often or "retry-after" in answer.headers:
            return NotSent(text)
        if answer.status >= 500 or answer.status < 400:
            return Unclear(text) if acted else NotSent(text)
        return TargetRefused(text)


class OpenPullRequestAdapter:
    """Finds a pull request by its two branches."""

    permanent: tuple[type[BatonError], ...] = (TargetRefused, Refused, Misconfigured, ContractViolation)

    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    def check(self, arguments: bytes) -> tuple[str, ...]:
        """Where it is opened."""
        wanted, host = self._wanted(arguments)
        return (f"at {host.target.api}/repos/{wanted.repository}", f"{wanted.head} into {wanted.base}")

    def compensation(self, arguments: bytes, receipt: Receipt) -> Arguments | None:
        """None: it is closed by a person, who says why."""
        del arguments, receipt
        return None

    def find(self, arguments: bytes) -> str | None:
        """The address of the open pull request for these branches."""
        wanted, host = self._wanted(arguments)
        owner = wanted.repository.partition("/")[0]
        found = host.get("/pulls", head=f"{owner}:{wanted.head}", base=wanted.base, state="open", per_page=PAGE)
        # Looked at once more: a host that does not know the filter gives back all.
        mine = [one for one in found if _at(one, "head", "ref") == wanted.head and _at(one, "base", "ref") == wanted.base]
        return _address(mine[0]) if mine else None

    def send(self, arguments: bytes, when: datetime) -> str:
        """Open it; returns its address."""
        del when
        wanted, host = self._wanted(arguments)
        body = {"title": wanted.title, "head": wanted.head, "base": wanted.base, "body": wanted.body}
        return _address(host.post("/pulls", body))

    def _wanted(self, arguments: bytes) -> tuple[OpenPullRequest, _Host]:
        wanted = OpenPullRequest.read(arguments)
        return wanted, _Host(self._targets, wanted.target, wanted.repository)


class GitCommentAdapter:
    """Finds a comment by a mark in its text."""

    permanent: tuple[type[BatonError], ...] = (TargetRefused, Refused, Misconfigured, ContractViolation)

    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    def check(self, arguments: bytes) -> tuple[str, ...]:
        """Where it is written."""
        wanted, host = self._wanted(arguments)
        return (f"at {host.target.api}/repos/{wanted.repository}/issues/{wanted.number}",)

    def compensation(self, arguments: bytes, receipt: Receipt) -> Arguments | None:
        """None: those who follow the issue have got it by mail."""
        del arguments, receipt
        return None

    def find(self, arguments: bytes) -> str | None:
        """The address of the comment that has the mark of this action."""
        wanted, host = self._wanted(arguments)
        mark = mark_of(wanted)
        found = (one for one in _comments(host, wanted.number) if mark in str(_at(one, "body") or ""))
        comment = next(found, None)
        return None if comment is None else _address(comment)

    def send(self, arguments: bytes, when: datetime) -> str:
        """Write it; returns its address."""
        del when
        wanted, host = self._wanted(arguments)
        body = {"body": f"{wanted.text.rstrip()}\n\n{mark_of(wanted)}"}
        return _address(host.post(f"/issues/{quote(str(wanted.number))}/comments", body))

    def _wanted(self, arguments: bytes) -> tuple[GitComment, _Host]:
        wanted = GitComment.read(arguments)
        if "<!-- baton:" in wanted.text:
            raise Refused("the text has a mark of Baton in it, by which one comment is told from another; leave it out")
        return wanted, _Host(self._targets, wanted.target, wanted.repository)


def mark_of(wanted: GitComment) -> str:
    """What stands at the end of a comment, and is not shown."""
    return f"<!-- baton:{wanted.key()} -->"


def _comments(host: _Host, number: int) -> Iterator[Any]:
    for page in range(1, PAGES + 1):
        found = host.get(f"/issues/{number}/comments", per_page=PAGE, page=page)
        yield from found
        if len(found) < PAGE:
            return
    raise Unclear(f"{host.repository}#{number} has more than {PAGE * PAGES} comments, and the mark is not among the first")


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise Unclear("the host answered something that is no JSON") from None


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _address(made: Any) -> str:
    return str(_at(made, "html_url") or _at(made, "url") or _at(made, "id") or "")[:500]
