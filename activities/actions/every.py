"""Every adapter of this worker, listed by hand, by the name that `adapter` of policy.toml has for it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from activities.actions.adapter import Adapter
from activities.actions.command_run import CommandRunAdapter
from activities.actions.declared import Targets
from activities.actions.email_send import EmailSendAdapter
from activities.actions.file_write import FileWriteAdapter
from activities.actions.git_revert import GitRevertAdapter
from activities.actions.github import GitCommentAdapter, OpenPullRequestAdapter
from activities.actions.http_post import HttpPostAdapter
from activities.actions.note import NoteAdapter
from activities.actions.sql_execute import SqlExecuteAdapter
from activities.actions.sql_load import SqlLoadAdapter
from activities.git import Mirrors
from activities.sandbox import Sandbox
from ledger import artifacts
from ledger.db import Ledger


def adapters(
    ledger: Ledger,
    targets: Targets,
    push: Adapter,
    mirrors: Mirrors,
    sandbox: Callable[[], Sandbox],
    folder: Path,
    author: str,
) -> Mapping[str, Adapter]:
    """All of them. `push` is the one of `git.push`; commands run on copies in `folder`; `author` writes reverts."""

    def read(digest: str) -> bytes:
        return ledger.read_now(artifacts.get, ledger.files, digest)

    return {
        "command.run": CommandRunAdapter(targets, sandbox, folder),
        "email.send": EmailSendAdapter(targets),
        "file.write": FileWriteAdapter(targets, read),
        "git.comment": GitCommentAdapter(targets),
        "git.open_pull_request": OpenPullRequestAdapter(targets),
        "git.push": push,
        "git.revert": GitRevertAdapter(mirrors, author),
        "http.post": HttpPostAdapter(targets),
        "note": NoteAdapter(ledger),
        "sql.execute": SqlExecuteAdapter(targets),
        "sql.load": SqlLoadAdapter(targets),
    }
