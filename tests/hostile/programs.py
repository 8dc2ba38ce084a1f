"""Repositories whose configuration, hooks and attributes name programs."""

from pathlib import Path

from tests.hostile import careless
from tests.hostile.tricks import Trick, trips
from tests.hostile.world import World
from tests.repositories import change, plain, repository

HOOKS = (
    *("applypatch-msg", "pre-applypatch", "post-applypatch", "pre-commit", "prepare-commit-msg", "commit-msg", "post-commit"),
    *("pre-merge-commit", "pre-rebase", "post-checkout", "post-merge", "post-rewrite", "pre-push", "sendemail-validate"),
    *("pre-receive", "update", "post-receive", "post-update", "reference-transaction", "push-to-checkout", "pre-auto-gc"),
    *("post-index-change", "fsmonitor-watchman"),
)

FILES = {
    "a.txt": b"1\r\n2\n$Id$\n",
    "b.bin": bytes(range(256)),
    ".gitattributes": b"[attr]text filter=evil\n* filter=evil diff=evil merge=evil text eol=crlf ident "
    b"conflict-marker-size=100000000\n*.bin -diff working-tree-encoding=UTF-16\n"
    b"note.txt !filter\n",  # which a delivery writes: what passes through a filter is not edited at all
    ".gitmodules": b'[submodule "../../x"]\n\tpath = s\n\turl = ext::sh -c touch% /nowhere\n\tupdate = !touch /nowhere\n',
    ".gitconfig": b"[core]\n\tfsmonitor = false\n",
    ".lfsconfig": b"[lfs]\n\turl = ext::sh -c touch% /nowhere\n",
}

NEUTRAL = "* -text !filter -ident !working-tree-encoding !diff !merge !conflict-marker-size\n"
"""Lets plain git commit these files as they are."""


def hooks(folder: Path, world: World, mark: str = "hook") -> None:
    """Every hook that git knows."""
    folder.mkdir(exist_ok=True)
    for name in HOOKS:
        (folder / name).write_text(f"#!/bin/sh\n{world.mark(f'{mark}-{name}')}\n")
        (folder / name).chmod(0o755)


def settings(path: Path, world: World) -> None:
    """Every setting that names a program, each with a mark of its own."""
    then = {
        **dict.fromkeys(("core.pager", "filter.evil.clean", "filter.evil.smudge", "diff.evil.textconv"), "; cat"),
        "uploadpack.packObjectsHook": '; "$@"',
    }
    for key in (
        *("core.fsmonitor", "core.alternateRefsCommand", "core.sshCommand", "core.askPass", "core.editor", "core.pager"),
        *("core.gitProxy", "sequence.editor", "uploadpack.packObjectsHook", "diff.external", "diff.evil.textconv"),
        *("filter.evil.clean", "filter.evil.smudge", "filter.lfs.process", "merge.evil.driver", "gpg.program"),
        *("gpg.ssh.defaultKeyCommand", "gc.recentObjectsHook", "remote.origin.uploadpack", "remote.origin.receivepack"),
        *("credential.helper", "trailer.sign.command", "interactive.diffFilter", "browser.evil.cmd", "difftool.evil.cmd"),
    ):
        call = world.mark(key) + then.get(key, "")
        shell = f"sh -c '{call}' --" if '"$@"' in call else call
        plain(path, "config", key, f"!{call}" if key == "credential.helper" else shell)
    for key, value in {
        "alias.st": f"!{world.mark('alias')}",
        "filter.evil.required": "true",
        "receive.denyCurrentBranch": "updateInstead",
        "gc.auto": "1",
        "protocol.allow": "always",
        f"url.ext::sh -c touch% {world.marks}/insteadOf.insteadOf": "https://",
        "core.attributesFile": str(world.secret_file),
        "core.excludesFile": str(world.secret_file),
        "commit.template": str(world.secret_file),
    }.items():
        plain(path, "config", key, value)


def _source(path: Path) -> Path:
    change(repository(path), FILES, attributes=NEUTRAL)
    return path


def _hooks(world: World, path: Path) -> Path:
    hooks(_source(path) / ".git" / "hooks", world)
    return path


def _hooks_elsewhere(world: World, path: Path) -> Path:
    """By core.hooksPath, in a folder that the repository brings along."""
    repository(path, {"a.txt": b"a\n"})
    hooks(path / "tools", world, "moved")
    plain(path, "config", "core.hooksPath", str(path / "tools"))
    return path


def _bare_hooks(world: World, path: Path) -> Path:
    plain(path.parent, "clone", "--quiet", "--bare", str(_source(path.with_name("work"))), str(path))
    hooks(path / "hooks", world)
    settings(path, world)
    return path


def _settings(world: World, path: Path) -> Path:
    settings(_source(path), world)
    return path


def _included(world: World, path: Path) -> Path:
    """Configuration that a file of the repository holds, and one that only counts for this folder."""
    repository(path, {"a.txt": b"a\n", "evil.conf": f"[core]\n\tfsmonitor = {world.mark('included')}\n".encode()})
    (path / ".git" / "config.worktree").write_text(f"[diff]\n\texternal = {world.mark('worktree-config')}\n")
    plain(path, "config", "include.path", "../evil.conf")
    plain(path, "config", f"includeIf.gitdir:{path}/**.path", str(world.secret_file))
    plain(path, "config", "extensions.worktreeConfig", "true")
    return path


def _elsewhere(world: World, path: Path) -> Path:
    """A working folder that is somebody else's: whoever checks out there overwrites it."""
    repository(path, {"a.txt": b"a\n", "secret.txt": b"overwritten\n"})
    plain(path, "config", "core.worktree", str(world.outside))
    return path


def _proc_receive(world: World, path: Path) -> Path:
    plain(path.parent, "clone", "--quiet", "--bare", str(repository(path.with_name("work"))), str(path))
    plain(path, "config", "receive.procReceiveRefs", "refs/heads")
    hook = path / "hooks" / "proc-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{world.mark('proc-receive')}\n")
    hook.chmod(0o755)
    return path


def _promisor(world: World, path: Path) -> Path:
    """A partial clone: git gets what is missing from a remote, by a program that the configuration names."""
    repository(path)
    blob = plain(path, "rev-parse", "HEAD:README.md")
    (path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": str(path.parent),
        "remote.origin.uploadpack": f"{world.mark('lazy')};",
    }.items():
        plain(path, "config", key, value)
    return path


RECEIVED = trips("hook-pre-receive", "hook-update", "hook-post-receive", "hook-post-update", "hook-reference-transaction")

PROGRAMS = (
    Trick("hooks", _hooks, careless.work, RECEIVED | {"hook-pre-commit", "hook-post-checkout", "hook-commit-msg"}),
    Trick("hooks-moved", _hooks_elsewhere, careless.work, trips("moved-pre-commit", "moved-pre-receive")),
    Trick("bare-hooks", _bare_hooks, careless.work, RECEIVED),
    Trick(
        "settings",
        _settings,
        careless.work,
        trips("core.fsmonitor", "filter.evil.clean", "diff.external", "diff.evil.textconv", "core.editor", "alias"),
    ),
    Trick("included", _included, careless.work, trips("included", "worktree-config")),
    Trick("work-tree-elsewhere", _elsewhere, careless.work, trips("written outside")),
    Trick("proc-receive", _proc_receive, careless.work, trips("proc-receive")),
    Trick("promisor", _promisor, careless.look, trips("lazy"), refused="is a partial clone"),
)
