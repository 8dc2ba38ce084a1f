"""Reads what a pull request is about, by GitHub's REST interface (docs.github.com/rest/pulls). Writes nothing."""

import asyncio
import json
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.actions.adapter import NotSent, Unclear
from activities.actions.declared import Targets
from activities.actions.http_post import said
from activities.actions.web import Call, request
from activities.running.commit import commit_alone
from activities.running.heartbeat import beating
from contracts.effects.targets import GitHubTarget
from contracts.errors import BatonError, LedgerUnavailable, Misconfigured, Refused
from contracts.review_input import pull_request_at
from contracts.review_parts import FindPullRequest, PullRequest
from ledger.db import Ledger

PUBLIC = "github.com"


class PullRequests:
    """The activity `find_pull_request`."""

    def __init__(self, ledger: Ledger, targets: Targets) -> None:
        self._ledger = ledger
        self._targets = targets

    @activity.defn
    async def find_pull_request(self, asked: FindPullRequest) -> PullRequest:
        """What the pull request goes into and what its newest commit is. Reads alone, so it is safe to call twice.

        Fails as a refused input for one that is not there or may not be read, and for a host that no target declares.
        """
        try:
            async with beating():
                found = await asyncio.to_thread(self._found, asked)
        except (LedgerUnavailable, NotSent, Unclear):
            raise  # tried again: the host may answer then
        except BatonError as error:
            raise ApplicationError(str(error), type="InputRefused", non_retryable=True) from None
        await commit_alone(self._ledger, asked)
        return found

    def _found(self, asked: FindPullRequest) -> PullRequest:
        host, slug, number = pull_request_at(asked.address)
        target = self._target(asked.target, host, slug)
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        key = self._targets.secret(asked.target or "", target.key_env, target.key_file)
        headers |= {"Authorization": f"Bearer {key}"} if key else {}
        url, seconds = f"{target.api}/repos/{slug}/pulls/{number}", target.timeout.total_seconds()
        answer = request(Call("GET", url, headers, private=target.private, seconds=seconds))
        if answer.status >= 500 or answer.status == 429 or "retry-after" in answer.headers:
            raise NotSent(f"{target.api} answered {said(answer)}")
        if answer.status != 200 or not answer.whole:
            hint = "" if key else "; a private repository needs a target with a key"
            raise Refused(f"{target.api} answered {said(answer)} for {slug}#{number}; see whether it is there{hint}")
        return _read(answer.body, asked.address, slug, number)

    def _target(self, name: str | None, host: str, slug: str) -> GitHubTarget:
        if name is None:
            if host != PUBLIC:
                raise Refused(
                    f"the pull request is at {host}, and without a target only {PUBLIC} is read; declare a [targets.NAME] of "
                    "kind github with its `api`, and name it"
                )
            return GitHubTarget(kind="github", repositories=(slug,))
        target = self._targets.get(name, GitHubTarget)
        if slug.lower() not in {one.lower() for one in target.repositories}:
            raise Refused(f"the target {name} has {', '.join(target.repositories)}, and not {slug}; an operator adds it there")
        return target


def _read(body: bytes, address: str, slug: str, number: int) -> PullRequest:
    try:
        found: Any = json.loads(body)
        base, head = found["base"], found["head"]
        url, start, commit = base["repo"]["clone_url"], base["sha"], head["sha"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise Refused(f"the host answered for {slug}#{number} something that is no pull request") from None
    if not all(isinstance(one, str) and len(one) <= 1000 for one in (url, start, commit)):
        raise Misconfigured(f"the host answered for {slug}#{number} with fields that are no text")
    state = "" if found.get("state") == "open" else "it is no longer open"
    return PullRequest(
        address=address,
        slug=slug,
        number=number,
        repository=url,
        base=start,
        head=f"refs/pull/{number}/head",
        commit=commit,
        note=state,
    )
