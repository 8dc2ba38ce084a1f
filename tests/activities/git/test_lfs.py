"""What Git LFS keeps: checks have the content, from the repository's own store or server, and never other bytes."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from activities.git import GitProblem, Mirror, Mirrors, PushRefused
from activities.git import lfs as product
from activities.repositories.storage import kept_elsewhere
from activities.repositories.workspaces import Workspaces
from tests import lfs
from tests.depth import soak
from tests.lfs import RULES, keep, pointer
from tests.repositories import change, plain, repository
from tests.wire.proxy import certificate

CONTENT = b"\x00\xffreal\r\n" * 1000
WRITES = ": checks see the content; what agents write there is uploaded with the push"
EXACT = "* -text !filter"


@pytest.fixture
def mirrors(tmp_path: Path) -> Mirrors:
    """An empty folder of mirrors."""
    return Mirrors(tmp_path / "mirrors")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with a pointer, whose content is nowhere yet."""
    origin = repository(tmp_path / "origin", {".gitattributes": RULES})
    change(origin, {"deep/a.bin": pointer(CONTENT), "b.txt": b"x\n"}, EXACT)
    return origin


@pytest.fixture
def served(tmp_path: Path) -> tuple[Path, tuple[Path, ssl.SSLContext]]:
    """A bare repository with a pointer and a hostile `.lfsconfig`, to be served, and a certificate."""
    lfs.program()
    origin = repository(tmp_path / "origin", {".gitattributes": RULES})
    change(origin, {"deep/a.bin": pointer(CONTENT)}, EXACT)
    plain(tmp_path, "clone", "--quiet", "--bare", str(origin), "served.git")
    return tmp_path / "served.git", certificate(tmp_path, "localhost")


def in_checkout(mirror: Mirror, tree: str, tmp_path: Path, name: str = "deep/a.bin") -> bytes:
    """The bytes of the file where checks run."""
    with Workspaces(tmp_path / "workspaces", Mirrors(tmp_path / "unused")).scratch(mirror, tree) as folder:
        return (folder / name).read_bytes()


def test_what_a_person_committed_with_git_lfs_is_there_for_checks(mirrors: Mirrors, tmp_path: Path) -> None:
    """From a working repository and from a bare one that was pushed to; workspaces and trees keep the pointer."""
    lfs.program()
    work = repository(tmp_path / "work", {".gitattributes": RULES})
    lfs.commit(work, {"deep/a.bin": CONTENT, "caf\u00e9 \\.bin": b"odd name\n", "empty.bin": b"", "b.txt": b"x\n"})
    (work / "deep/a.bin").chmod(0o755)
    lfs.commit(work, {})
    bare = repository(tmp_path / "bare.git", bare=True)
    plain(work, "remote", "add", "origin", f"file://{bare}")
    plain(work, "lfs", "push", "origin", "main")  # first, as its hook does: it brings only what git has not pushed yet
    plain(work, "push", "--quiet", "--no-verify", "origin", "main")
    for place in (work, bare):
        mirror = mirrors.open(str(place))
        tree = mirror.fetch().tree
        assert mirror.content(tree, "deep/a.bin") == pointer(CONTENT)
        with Workspaces(tmp_path / "workspaces", mirrors).scratch(mirror, tree) as folder:
            assert (folder / "deep/a.bin").read_bytes() == CONTENT
            assert (folder / "deep/a.bin").stat().st_mode & 0o777 == 0o755
            assert (folder / "caf\u00e9 \\.bin").read_bytes() == b"odd name\n"
            assert (folder / "empty.bin").read_bytes() == b""
            assert (folder / "b.txt").read_bytes() == b"x\n"
        assert kept_elsewhere(mirror, tree)[0].endswith(WRITES)
        mirror.checkout(tree, tmp_path / "as-stored")
        assert mirror.snapshot(tmp_path / "as-stored", tree) == tree


def linked(store: Path) -> None:
    """The content is there, by a link out of the folder."""
    real = keep(store, CONTENT)
    real.rename(store.parent / "elsewhere")
    real.symlink_to(store.parent / "elsewhere")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda store: None, "is not among the LFS objects of"),
        (linked, "is not among the LFS objects of"),
        (lambda store: keep(store, b"", lfs.digest(CONTENT) + "/x"), "is not among the LFS objects of"),
        (lambda store: keep(store, CONTENT[:-1] + b"!", lfs.digest(CONTENT)), "has other bytes under its digest"),
        (lambda store: keep(store, CONTENT[:-1], lfs.digest(CONTENT)), "has other bytes under its digest"),
        (lambda store: keep(store, CONTENT + b"!", lfs.digest(CONTENT)), "has other bytes under its digest"),
    ],
)
def test_other_bytes_are_not_taken_for_the_content(
    mirrors: Mirrors, origin: Path, tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    """Missing, behind a link, a folder, damaged, too short, too long: checks see the pointer, and the reason is told."""
    store = origin / ".git" / "lfs" / "objects"
    store.mkdir(parents=True)
    damage(store)
    mirror = mirrors.open(str(origin))
    tree = mirror.fetch().tree
    (note,) = kept_elsewhere(mirror, tree)
    assert "checks and agents see pointers in place of 1, such as deep/a.bin: " in note
    assert said in note
    assert in_checkout(mirror, tree, tmp_path) == pointer(CONTENT)
    # Mended where it comes from, it is used.
    for file in store.rglob("*"):
        if file.is_symlink() or file.is_file():
            file.unlink()
    for folder in sorted((one for one in store.rglob("*")), reverse=True):
        folder.rmdir()
    keep(store, CONTENT)
    assert in_checkout(mirror, tree, tmp_path) == CONTENT


def test_a_link_in_place_of_the_whole_store_is_not_followed(mirrors: Mirrors, origin: Path, tmp_path: Path) -> None:
    """Whoever can write to a repository's folder could lead us elsewhere with it."""
    keep(tmp_path / "elsewhere" / "objects", CONTENT)
    (origin / ".git" / "lfs").symlink_to(tmp_path / "elsewhere")
    mirror = mirrors.open(str(origin))
    assert in_checkout(mirror, mirror.fetch().tree, tmp_path) == pointer(CONTENT)


@pytest.mark.parametrize(
    ("data", "attributes"),
    [
        (pointer(CONTENT).replace(b"oid", b"ext-0-crypt sha256:" + b"1" * 64 + b"\noid"), RULES),
        (pointer(CONTENT).replace(b"size ", b"size 0"), RULES),
        (pointer(CONTENT) + b"more\n", RULES),
        (pointer(CONTENT), b"*.bin -text\n"),
        (pointer(CONTENT), b"*.bin filter=other\n"),
    ],
)
def test_only_plain_pointers_in_paths_of_lfs_are_replaced(
    mirrors: Mirrors, tmp_path: Path, data: bytes, attributes: bytes
) -> None:
    """Extensions would change the content; another file may just look like a pointer."""
    origin = repository(tmp_path / "origin", {".gitattributes": attributes})
    change(origin, {"a.bin": data}, EXACT)
    keep(origin / ".git" / "lfs" / "objects", CONTENT)
    mirror = mirrors.open(str(origin))
    assert in_checkout(mirror, mirror.fetch().tree, tmp_path, "a.bin") == data


def test_content_is_bounded(mirrors: Mirrors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One checkout gets so much, in the order of paths; a mirror with it stays within its limit."""
    origin = repository(tmp_path / "origin", {".gitattributes": RULES})
    change(origin, {name: pointer(CONTENT) for name in ("a.bin", "b.bin", "c.bin")}, EXACT)
    keep(origin / ".git" / "lfs" / "objects", CONTENT)
    monkeypatch.setattr(product, "LIMIT", 2 * len(CONTENT))
    mirror = mirrors.open(str(origin))
    tree = mirror.fetch().tree
    assert [in_checkout(mirror, tree, tmp_path, name) for name in ("a.bin", "b.bin", "c.bin")] == [
        *(CONTENT, CONTENT, pointer(CONTENT))
    ]
    assert "such as c.bin: it has 8000 bytes, and all such content of a checkout may have" in kept_elsewhere(mirror, tree)[0]
    huge = b"\0" * (3 << 20)
    change(origin, {"a.bin": pointer(huge)}, EXACT)
    keep(origin / ".git" / "lfs" / "objects", huge)
    monkeypatch.setattr(product, "LIMIT", 1 << 30)
    small = Mirrors(tmp_path / "small", limit=2 << 20).open(str(origin))
    tree = small.fetch().tree
    assert "such as a.bin: it would make the copy of the repository larger than 2 MiB" in kept_elsewhere(small, tree)[0]
    assert in_checkout(small, tree, tmp_path, "a.bin") == pointer(huge)


def test_kept_content_that_a_disk_damaged_is_fetched_anew(mirrors: Mirrors, origin: Path, tmp_path: Path) -> None:
    """No check sees it: the attempt fails, and the next one has the content."""
    keep(origin / ".git" / "lfs" / "objects", CONTENT)
    mirror = mirrors.open(str(origin))
    tree = mirror.fetch().tree
    assert in_checkout(mirror, tree, tmp_path) == CONTENT
    (kept,) = (mirror.directory / "lfs-content").iterdir()
    kept.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(GitProblem, match="was damaged on this disk"):
        in_checkout(mirror, tree, tmp_path)
    assert in_checkout(mirror, tree, tmp_path) == CONTENT


def at(server: lfs.Server, tmp_path: Path, *, known: bool = True) -> Mirror:
    """The mirror of the served repository, with an operator's home and certificate."""
    home = lfs.netrc(tmp_path / "home") if known else tmp_path
    return Mirrors(tmp_path / "mirrors", {"HOME": str(home), "GIT_SSL_CAINFO": str(server.certificate)}).open(server.url)


def test_a_servers_content_is_there_for_checks(served: tuple[Path, tuple[Path, ssl.SSLContext]], tmp_path: Path) -> None:
    """By git-lfs, with the credentials that git has, from the address's own server, whatever the repository names."""
    bare, made = served
    with lfs.serving(bare, made) as server:
        hostile = f'[lfs]\n\turl = {server.url}/hostile\n[remote "origin"]\n\tlfsurl = {server.url}/hostile\n'
        work = tmp_path / "origin"
        change(work, {".lfsconfig": hostile.encode()}, EXACT)
        plain(work, "push", "--quiet", str(bare), "HEAD:main")
        plain(bare, "config", "lfs.url", f"{server.url}/hostile")
        plain(bare, "update-server-info")
        server.objects[lfs.digest(CONTENT)] = CONTENT
        mirror = at(server, tmp_path)
        tree = mirror.fetch().tree
        assert mirror.content(tree, ".lfsconfig") == hostile.encode()
        assert kept_elsewhere(mirror, tree)[0].endswith(WRITES)
        assert in_checkout(mirror, tree, tmp_path) == CONTENT
        assert set(server.batches()) == {f"POST /{bare.name}/info/lfs/objects/batch"}
        assert not [one for one in server.asked if "hostile" in one]
    # It is here now: without the server it is there, too.
    assert in_checkout(mirror, tree, tmp_path) == CONTENT


@pytest.mark.parametrize("given", [None, CONTENT[:-1] + b"!", *soak(b"", CONTENT[:-1], CONTENT + b"!" * (4 << 20))])
def test_what_a_server_does_not_give_stays_a_pointer(
    served: tuple[Path, tuple[Path, ssl.SSLContext]], tmp_path: Path, given: bytes | None
) -> None:
    """Nothing, or other bytes, or more than was said: the reason is told; checks ask no more until a run begins anew."""
    bare, made = served
    with lfs.serving(bare, made) as server:
        if given is not None:
            server.objects[lfs.digest(CONTENT)] = given
        mirror = at(server, tmp_path)
        tree = mirror.fetch().tree
        (note,) = kept_elsewhere(mirror, tree)
        assert f"such as deep/a.bin: {server.url} did not give it: " in note
        asked = len(server.asked)
        assert in_checkout(mirror, tree, tmp_path) == pointer(CONTENT)
        assert len(server.asked) == asked
        server.objects[lfs.digest(CONTENT)] = CONTENT
        assert in_checkout(mirror, tree, tmp_path) == pointer(CONTENT)
        kept_elsewhere(mirror, tree)
        assert in_checkout(mirror, tree, tmp_path) == CONTENT


def test_a_password_in_the_address_is_used_and_not_told(
    served: tuple[Path, tuple[Path, ssl.SSLContext]], tmp_path: Path
) -> None:
    """As git does it; the reason for what is not there shows the address without it."""
    bare, made = served
    with lfs.serving(bare, made) as server:
        address = server.url.replace("https://", f"https://{lfs.USER}:{lfs.PASSWORD}@")
        operator = {"HOME": str(tmp_path), "GIT_SSL_CAINFO": str(server.certificate)}
        mirror = Mirrors(tmp_path / "mirrors", operator).open(address)
        tree = mirror.fetch().tree
        (note,) = kept_elsewhere(mirror, tree)
        assert f"{server.url} did not give it: " in note
        assert lfs.PASSWORD not in note
        server.objects[lfs.digest(CONTENT)] = CONTENT
        assert kept_elsewhere(mirror, tree)[0].endswith("is uploaded with the push")


def test_without_git_lfs_a_servers_content_is_not_fetched_and_it_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request is made for it; a repository on this machine needs no git-lfs."""
    origin = repository(tmp_path / "origin", {".gitattributes": RULES})
    change(origin, {"deep/a.bin": pointer(CONTENT)}, EXACT)
    plain(tmp_path, "clone", "--quiet", "--bare", str(origin), "served.git")
    made = certificate(tmp_path, "localhost")
    lfs.without(monkeypatch, tmp_path / "bin")
    with lfs.serving(tmp_path / "served.git", made) as server:
        mirror = at(server, tmp_path)
        tree = mirror.fetch().tree
        (note,) = kept_elsewhere(mirror, tree)
        assert "such as deep/a.bin: git-lfs is not installed on the worker; install it there" in note
        assert in_checkout(mirror, tree, tmp_path) == pointer(CONTENT)
        assert server.batches() == []
    keep(origin / ".git" / "lfs" / "objects", CONTENT)
    local = Mirrors(tmp_path / "mirrors").open(str(origin))
    assert in_checkout(local, local.fetch().tree, tmp_path) == CONTENT


NEW = b"written by an agent\n"


def with_pointers(mirror: Mirror, base: str, folder: Path, *contents: bytes) -> str:
    """The base with new files that Git LFS keeps, written here."""
    mirror.checkout(base, folder)
    for number, data in enumerate(contents):
        (folder / f"new-{number}.bin").write_bytes(mirror.lfs.write(data))
    return mirror.snapshot(folder, base)


def test_what_a_run_wrote_is_given_to_a_repository_on_this_machine(mirrors: Mirrors, origin: Path, tmp_path: Path) -> None:
    """Into its own LFS objects, where a person's git-lfs finds it; what was there before is left alone. Twice is once."""
    lfs.program()
    mirror = mirrors.open(str(origin))
    base = mirror.fetch().tree
    tree = with_pointers(mirror, base, tmp_path / "made", NEW, b"")
    assert list(mirror.lfs.written(base, tree)) == ["new-0.bin"]
    for _ in range(2):
        mirror.lfs.upload(base, tree)
    store = origin / ".git" / "lfs" / "objects"
    assert [one.read_bytes() for one in store.rglob("*") if one.is_file()] == [NEW]
    assert (store / lfs.digest(NEW)[:2] / lfs.digest(NEW)[2:4] / lfs.digest(NEW)).exists()
    assert in_checkout(mirror, tree, tmp_path, "new-0.bin") == NEW


def test_a_store_that_is_a_link_is_not_written_through(mirrors: Mirrors, origin: Path, tmp_path: Path) -> None:
    """Whoever can write to a repository's folder could have us write elsewhere with it."""
    (tmp_path / "elsewhere").mkdir()
    (origin / ".git" / "lfs").symlink_to(tmp_path / "elsewhere")
    mirror = mirrors.open(str(origin))
    base = mirror.fetch().tree
    with pytest.raises(PushRefused, match="did not take the content of Git LFS"):
        mirror.lfs.upload(base, with_pointers(mirror, base, tmp_path / "made", NEW))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_a_run_wrote_is_uploaded_to_the_addresss_server(
    served: tuple[Path, tuple[Path, ssl.SSLContext]], tmp_path: Path
) -> None:
    """By git-lfs, before anything is pushed; a server that refuses is told in its words; content that is there is not sent."""
    bare, made = served
    with lfs.serving(bare, made) as server:
        mirror = at(server, tmp_path)
        base = mirror.fetch().tree
        tree = with_pointers(mirror, base, tmp_path / "made", NEW, b"another\n")
        server.refused = True
        with pytest.raises(PushRefused, match=r"did not take the content of Git LFS: .*No room for you"):
            mirror.lfs.upload(base, tree)
        assert server.objects == {}
        server.refused = False
        mirror.lfs.upload(base, tree)
        assert server.objects == {lfs.digest(one): one for one in (NEW, b"another\n")}
        puts = [one for one in server.asked if one.startswith("PUT")]
        mirror.lfs.upload(base, tree)
        assert [one for one in server.asked if one.startswith("PUT")] == puts
        assert set(server.batches()) == {f"POST /{bare.name}/info/lfs/objects/batch"}


def test_another_machine_finds_what_a_run_wrote(origin: Path, tmp_path: Path) -> None:
    """By the digest in the pointer, from where runs keep it, and only whole: checks see it, and the push brings it along."""
    lfs.program()
    first = Mirrors(tmp_path / "first").open(str(origin))
    base = first.fetch()
    tree = with_pointers(first, base.tree, tmp_path / "made", NEW)
    patch = first.diff(base.tree, tree)
    for kept, there in (({}, False), ({lfs.digest(NEW): NEW[:-1]}, False), ({lfs.digest(NEW): NEW}, True)):
        second = Mirrors(tmp_path / f"second-{len(kept)}-{there}", made=kept.get).open(str(origin))
        second.fetch()
        assert second.apply(base.tree, patch).tree == tree
        assert (in_checkout(second, tree, tmp_path, "new-0.bin") == NEW) is there
        assert list(second.lfs.written(base.tree, tree)) == (["new-0.bin"] if there else [])
