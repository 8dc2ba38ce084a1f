"""The arguments of every outward action, one contract per adapter, listed by hand."""

from collections.abc import Mapping

from contracts.actions import GitPush, NoteAction
from contracts.base import Contract
from contracts.effects.command_run import CommandRun
from contracts.effects.email_send import EmailSend
from contracts.effects.file_write import FileWrite
from contracts.effects.git_revert import GitRevert
from contracts.effects.github import GitComment, OpenPullRequest
from contracts.effects.http_post import HttpPost
from contracts.effects.sql_execute import SqlExecute
from contracts.effects.sql_load import SqlLoad

ARGUMENTS: Mapping[str, type[Contract]] = {
    "command.run": CommandRun,
    "email.send": EmailSend,
    "file.write": FileWrite,
    "git.comment": GitComment,
    "git.open_pull_request": OpenPullRequest,
    "git.push": GitPush,
    "git.revert": GitRevert,
    "http.post": HttpPost,
    "note": NoteAction,
    "sql.execute": SqlExecute,
    "sql.load": SqlLoad,
}
"""By the adapter's name, as `adapter` of policy.toml names it."""
