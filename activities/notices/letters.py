"""What is sent to each kind of channel: the arguments of the adapter that sends it, the same for every attempt."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from activities.actions.adapter import Adapter, Checks
from activities.actions.declared import Targets
from activities.actions.email_send import EmailSendAdapter
from activities.actions.http_post import HttpPostAdapter
from activities.notices import wording
from activities.notices.wording import Shown
from contracts.channels import Channel, ChannelKind
from contracts.effects.email_send import EmailSend
from contracts.effects.http_post import HttpPost
from contracts.effects.targets import HttpTarget, MailTarget
from contracts.errors import BatonError, Misconfigured
from contracts.printed import command
from contracts.text import one_line
from ledger.channels import Letter

TITLE_LIMIT = 200

SIZE = 20_000
"""Characters of a body: chat services cut longer ones somewhere."""

_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)

TEST = "test message: this channel works"


def senders(targets: Targets) -> Mapping[ChannelKind, Adapter]:
    """What sends to each kind of channel: the adapters of `http.post` and `email.send`, with all that these refuse."""
    post = HttpPostAdapter(targets)
    return {"slack": post, "webhook": post, "mail": EmailSendAdapter(targets)}


def letter(name: str, channel: Channel, id: str, at: datetime, all_of_them: Sequence[Shown]) -> Letter:
    """The message of this id about these notices; about none it is a test. Of long ones fewer are listed, so that it fits."""
    title = one_line(wording.heading(all_of_them) if all_of_them else TEST, TITLE_LIMIT)
    bodies = [_body(name, channel, id, at, title, all_of_them, listed) for listed in wording.LISTED]
    body = next((one for one in bodies if len(one) <= SIZE), bodies[-1])
    event = f"notice/{name}/{id}"
    if channel.kind == "mail":
        mail = EmailSend(target=channel.target, event=event, to=channel.to, subject=f"[baton] {title}", text=body)
        return Letter(mail.stored().decode(), ", ".join(channel.to), title)
    post = HttpPost(target=channel.target, event=event, body=body)
    return Letter(post.stored().decode(), channel.target, title)


def _body(name: str, channel: Channel, id: str, at: datetime, title: str, all_of_them: Sequence[Shown], listed: int) -> str:
    """A mail's text, or the JSON of a post, that lists at most so many."""
    if channel.kind == "webhook":
        data = {"channel": name, "message": id, "title": title} | wording.as_json(all_of_them, listed)
        kind = "baton.notices" if all_of_them else "baton.test"
        # As Standard Webhooks has it: a type, a timestamp and data.
        return json.dumps({"type": kind, "timestamp": at.isoformat(), "data": data}, ensure_ascii=False)
    text = f"sent by `{command('notify test', name)}`"
    text = wording.text(all_of_them, channel.local, listed) if all_of_them else text
    return f"{text}\n" if channel.kind == "mail" else json.dumps(_slack(title, text), ensure_ascii=False)


def _slack(title: str, text: str) -> dict[str, Any]:
    """As Slack's incoming webhooks take it. Without its markup, and without a look at what links lead to."""
    return {"text": _escaped(f"{title}\n{text}"), "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}


def _escaped(text: str) -> str:
    """What means something to Slack, such as <!channel>, as plain characters."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_WANTS: Mapping[ChannelKind, type[HttpTarget | MailTarget]] = {"slack": HttpTarget, "webhook": HttpTarget, "mail": MailTarget}


def problem_with(name: str, channel: Channel, targets: Targets) -> str:
    """What is wrong with where a channel leads, with what to do; "" if nothing is. Asks nobody."""
    target = targets.tables.get(channel.target)
    if not isinstance(target, _WANTS[channel.kind]):
        there = f"is of the kind {target.kind}" if target is not None else "is not declared"
        kind = "smtp" if channel.kind == "mail" else "http"
        return f"target: [targets.{channel.target}] {there}; a channel of the kind {channel.kind} needs one of the kind {kind}"
    found: Checks = senders(targets)[channel.kind]  # type: ignore[assignment]  # both check what they are given
    return _tried(lambda: found.check(letter(name, channel, "check", _ANY_TIME, ()).arguments.encode()))


def keys_missing(channel: Channel, targets: Targets) -> str:
    """Which of its keys cannot be read in this process's environment; "" if none is missing. Shows none of them."""
    target = targets.tables[channel.target]
    read: list[Callable[[], object]] = []
    if isinstance(target, HttpTarget):
        read.append(lambda: targets.secret(channel.target, target.secret_env, target.secret_file))
        read.append(lambda: targets.secret(channel.target, target.url_env, target.url_file))
        if target.auth != "none":
            read.append(lambda: targets.secret(channel.target, target.key_env, target.key_file))
    if isinstance(target, MailTarget):
        read.append(lambda: targets.secret(channel.target, target.key_env, target.key_file))
    return "; ".join(said for one in read if (said := _tried(one)))


def _tried(work: Callable[[], object]) -> str:
    try:
        work()
    except BatonError as error:
        return str(error)
    return ""


def check_channels(channels: Mapping[str, Channel], targets: Targets, who: frozenset[str]) -> None:
    """Raise `Misconfigured` for a channel that leads nowhere, or that names nobody of the policy."""
    for name, channel in channels.items():
        problem = problem_with(name, channel, targets) or strangers(channel, who)
        if problem:
            raise Misconfigured(f"baton.toml: [channels.{name}] {problem}")


def strangers(channel: Channel, who: frozenset[str]) -> str:
    """Names in `who` that the policy has as neither a person nor a role; "" if there are none."""
    unknown = sorted(set(channel.who) - who)
    if not unknown:
        return ""
    there = ", ".join(sorted(who)) or "nobody"
    return f"who: the policy knows no person and no role {', '.join(unknown)}; it has {there}"
