"""Changed files that git itself would have stored in another form, by the repository's `.gitattributes`, as facts."""

import os
from collections.abc import Iterator, Mapping, Sequence

from activities.git import Mirror
from activities.git.attributes import LFS, PLAIN, Attributes, is_lfs_pointer
from activities.git.differences import TreeChange
from activities.git.lfs_pointers import Pointer
from activities.repositories.forms import FILES, LARGEST, TOGETHER, fact, name_of
from contracts.exact import exact
from contracts.printed import command
from contracts.text import amount, amount_that, one_line, quoted

_BEGINNING = 300
"""Bytes of content that stand at the gate."""


def storage_facts(mirror: Mirror, base: str, tree: str, changes: Sequence[TreeChange]) -> tuple[str, ...]:
    """None where every changed file is stored as `git add` would store it, and every other one as before.

    Filters are named by the attributes, and not run.
    """
    files = [one for one in changes if one.after[0] in FILES]
    attributes = mirror.attributes(tree, [one.path for one in files])
    told = [one for one in files if attributes[one.path].filter or attributes[one.path].text]
    ids = dict.fromkeys(identity for one in told for mode, identity in (one.before, one.after) if mode in FILES)
    contents = {identity: data for identity, _, data in mirror.blobs(list(ids), LARGEST, TOGETHER)}
    found = [(one, attributes[one.path], contents.get(one.before[1]), contents[one.after[1]]) for one in told]
    written = mirror.lfs.written(base, tree) if any(attributes[one.path].filter == LFS for one in told) else {}
    known = {identity for one in changes for mode, identity in [one.before] if mode in FILES}
    return (
        *fact("stored in another form than .gitattributes asks for", _misfits(found)),
        *fact("kept with Git LFS, not in the diff, and uploaded with the push", _uploaded(mirror, written)),
        *fact("pointers of Git LFS to content that nobody here has seen", _unseen(found, known, written)),
        *fact("stored in another way than before, by the new .gitattributes", _elsewhere(mirror, base, tree, changes)),
    )


def kept_elsewhere(mirror: Mirror, tree: str) -> tuple[str, ...]:
    """What to know beforehand of files whose content is not in the repository itself. Fetches it for the checks."""
    lfs = sorted(path for path, of in mirror.attributes(tree, None).items() if of.filter == LFS)
    if not lfs:
        return ()
    kept = f"{amount_that(len(lfs), 'file', 'is', 'are')} kept with Git LFS, such as {exact(os.fsencode(lfs[0]))}"
    absent = mirror.lfs.bring(tree, again=True).absent
    closed = mirror.lfs.closed()
    agents = f"agents cannot change it, because {closed}" if closed else "what agents write there is uploaded with the push"
    if not absent:
        return (f"{kept}: checks see the content; {agents}",)
    path, why = min(absent.items())
    return (
        f"{kept}: {agents}; checks and agents see pointers in place of "
        f"{len(absent)}, such as {exact(os.fsencode(path))}: {one_line(why, 500)}",
    )


def _uploaded(mirror: Mirror, written: Mapping[str, Pointer]) -> Iterator[str]:
    """What a run has written there. The diff has the pointers alone, so the beginning of the content is told."""
    for path, pointer in sorted(written.items()):
        data = mirror.lfs.kept(pointer)
        begins = quoted(data[:_BEGINNING].decode(errors="replace"), 2 * _BEGINNING)
        text = "" if b"\0" in data else f", which begins: {begins}"
        whole = command("read", pointer.digest[:12])
        yield f"{exact(os.fsencode(path))} ({amount(pointer.size, 'byte')}{text}; `{whole}` shows all)"


def _unseen(
    found: Sequence[tuple[TreeChange, Attributes, bytes | None, bytes | None]], known: set[str], written: Mapping[str, Pointer]
) -> Iterator[str]:
    """Pointers that the change makes. One that was only moved points to what was there before."""
    for one, attributes, _, after in found:
        fresh = one.after[1] not in known and one.path not in written
        if fresh and attributes.filter == LFS and after is not None and is_lfs_pointer(after):
            _, *said = after.decode(errors="replace").splitlines()
            yield f"{name_of(one)} ({one_line(' '.join(said), 200)})"


def _elsewhere(mirror: Mirror, base: str, tree: str, changes: Sequence[TreeChange]) -> Iterator[str]:
    """Files that the change did not touch, and whose filter is another since it changed `.gitattributes`."""
    touched = {one.path for one in changes}
    if not any(path.rpartition("/")[2] == ".gitattributes" for path in touched):
        return
    before, after = mirror.attributes(base, None), mirror.attributes(tree, None)
    for path in sorted((before.keys() | after.keys()) - touched):
        was, now = (found.get(path, PLAIN).filter for found in (before, after))
        if was != now:
            yield f"{exact(os.fsencode(path))} (filter {was or 'none'} before, {now or 'none'} now)"


def _misfits(found: Sequence[tuple[TreeChange, Attributes, bytes | None, bytes | None]]) -> Iterator[str]:
    for one, attributes, before, after in found:
        name = name_of(one)
        if attributes.filter == LFS:
            if after != b"" and (after is None or not is_lfs_pointer(after)):
                yield f"{name} is itself in the repository, and not a pointer of Git LFS"
        elif attributes.filter:
            yield f"{name} did not pass through the filter {attributes.filter}"
        elif after is not None and b"\r\n" in after and b"\0" not in after and b"\r\n" not in (before or b""):
            yield f"{name} has CRLF, and git would have stored LF"
