"""Many blobs read at once, bounded alone and together."""

from collections.abc import Iterator, Sequence

from activities.git.command import Git


def blobs(git: Git, identities: Sequence[str], largest: int, together: int) -> Iterator[tuple[str, int, bytes | None]]:
    """Id, size and content of these blobs. None as content: it is larger than `largest`, or there is no room `together`."""
    fed = "".join(f"{one}\n" for one in identities)
    sizes = git.run("cat-file", "--batch-check=%(objectsize)", feed=fed.encode()).output.split()
    read: list[str] = []
    for one, size in zip(identities, sizes, strict=True):
        if int(size) <= min(largest, together):
            read, together = [*read, one], together - int(size)
        else:
            yield one, int(size), None
    # All in one process: one each would take minutes for a large change.
    contents = git.run("cat-file", "--batch=%(objectsize)", feed="".join(f"{one}\n" for one in read).encode()).output
    at = 0
    for one in read:
        begin = contents.index(b"\n", at) + 1
        end = begin + int(contents[at:begin])
        yield one, end - begin, contents[begin:end]
        at = end + 1
