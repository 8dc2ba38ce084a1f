"""Changed files that git itself would have stored in another form, by the repository's `.gitattributes`, as facts."""

from collections.abc import Iterator, Sequence

from activities.git import Mirror
from activities.git.attributes import LFS, Attributes, is_lfs_pointer
from activities.git.trees import TreeChange
from activities.repositories.forms import FILES, LARGEST, TOGETHER, fact, name_of


def storage_facts(mirror: Mirror, tree: str, changes: Sequence[TreeChange]) -> tuple[str, ...]:
    """None where every changed file is stored as `git add` would store it. Filters are named by the attributes, and not run."""
    files = [one for one in changes if one.after[0] in FILES]
    attributes = mirror.attributes(tree, [one.path for one in files])
    told = [one for one in files if attributes[one.path].filter or attributes[one.path].text]
    ids = dict.fromkeys(identity for one in told for mode, identity in (one.before, one.after) if mode in FILES)
    contents = {identity: data for identity, _, data in mirror.blobs(list(ids), LARGEST, TOGETHER)}
    found = [(one, attributes[one.path], contents.get(one.before[1]), contents[one.after[1]]) for one in told]
    return (*fact("stored in another form than .gitattributes asks for", _misfits(found)),)


def _misfits(found: Sequence[tuple[TreeChange, Attributes, bytes | None, bytes | None]]) -> Iterator[str]:
    for one, attributes, before, after in found:
        name = name_of(one)
        if attributes.filter == LFS:
            if after is None or not is_lfs_pointer(after):
                yield f"{name} is itself in the repository, and not a pointer of Git LFS"
        elif attributes.filter:
            yield f"{name} did not pass through the filter {attributes.filter}"
        elif after is not None and b"\r\n" in after and b"\0" not in after and b"\r\n" not in (before or b""):
            yield f"{name} has CRLF, and git would have stored LF"
