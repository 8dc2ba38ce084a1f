"""Resources are named in one way, refused with a sentence where they cannot be meant, and overlap where steps could collide."""

import unicodedata
from itertools import product
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts import resources
from contracts.resources import Kind, Resource, file_resource, is_git_folder, matched, matches, overlaps, resource, shared
from tests.depth import count

SPELLINGS = [
    ("x", "file", "x"),
    ("./x", "file", "x"),
    ("././a/./b.py", "file", "a/b.py"),
    ("shop//a.py", "file", "shop/a.py"),
    ("x/", "folder", "x/"),
    ("./x//", "folder", "x/"),
    ("x/.", "folder", "x/"),
    ("src/*.py", "glob", "src/*.py"),
    ("src/a?.py", "glob", "src/a?.py"),
    ("src/**", "glob", "src/**"),
    ("src/**/", "glob", "src/**"),
    ("src/*/", "glob", "src/*/**"),
    ("a***b/c", "glob", "a*b/c"),
    ("src/***", "glob", "src/*"),
    ("app/[id]/page.tsx", "file", "app/[id]/page.tsx"),
    (".github/workflows/ci.yml", "file", ".github/workflows/ci.yml"),
    (".gitignore", "file", ".gitignore"),
    (".git*", "glob", ".git*"),
    (".*", "glob", ".*"),
    ("**/.*", "glob", "**/.*"),
    ("*.py", "glob", "*.py"),
    ("a..b/...", "file", "a..b/..."),
    ("a b.txt", "file", "a b.txt"),
    ("x~", "file", "x~"),
    ("{{cookiecutter.name}}/a", "file", "{{cookiecutter.name}}/a"),
    ("e\u0301.py", "file", "\u00e9.py"),
    ("y" * 255, "file", "y" * 255),
    ("a*" * 100, "glob", "a*" * 100),
    ("/".join(["y" * 203] * 5) + "/abc/", "folder", "/".join(["y" * 203] * 5) + "/abc/"),
]


@pytest.mark.parametrize(("text", "kind", "name"), SPELLINGS, ids=range(len(SPELLINGS)))
def test_a_file_folder_or_glob_has_one_spelling(text: str, kind: Kind, name: str) -> None:
    """The form decides what it is; `./`, doubled slashes and decomposed letters make no other file."""
    assert file_resource(text) == Resource(kind=kind, name=name) == resource(kind, text)
    assert (file_resource(text).kind, file_resource(text).name) == (kind, name)


EVERYTHING, GIT, ROOT = "matches nearly any file", "git's own folder", "is the whole repository"
UP, ABSOLUTE, DRIVE, HOME = "goes up a folder", "is an absolute path", "begins with a drive", "begins with ~"
HIDDEN, SPACE, LONG = "control or invisible characters", "begins or ends with a space", "is longer than 1024 bytes"
REFUSED = [
    *((one, EVERYTHING) for one in ("*", "**", "***", "**/*", "*/*", "?", "*.*", "**/*.*", "./*", "*/", "**/", "?*/**/??")),
    *((one, UP) for one in ("../x", "..", "a/../b", "a/..", "./../x", "../*", "a/../../b")),
    *((one, ABSOLUTE) for one in ("/x", "/", "//x", "/*")),
    *((one, DRIVE) for one in ("C:/x", "c:x", "./C:/x")),
    *((one, HOME) for one in ("~", "~/x", "~root/x", "./~")),
    *((one, GIT) for one in (".git", ".git/", ".git/config", "a/.git/x", ".GIT/x", "./.Git", "git~1/x", "**/.git/**", ".git.")),
    *(
        (one, HIDDEN)
        for one in (
            "a\0b",
            "a\nb",
            "a\x1bb",
            "a\x7f",
            "a\x9b",
            "a\u202egnp.py",
            "zero\u200bwidth",
            "\ud800",
            "a\u2028b",
            "a\u2029b",
        )
    ),
    *((one, "holds a backslash") for one in ("a\\b", "src\\*.py", "\\")),
    *((one, "is empty") for one in ("", " ", "  ")),
    *((one, ROOT) for one in (".", "./", "././.")),
    *((one, SPACE) for one in (" x", "x ", "./ x", "x /", "\u00a0x")),
    *((one, LONG) for one in ("y/" * 513, "/".join(["é" * 100] * 6))),
    *((one, "more than 255 bytes") for one in ("y" * 256, "a/" + "é" * 128)),
    ("a*" * 101, "is a glob of more than 200 bytes"),
    *((one, "lists alternatives in braces") for one in ("src/{a,b}.py", "{a,b}", "x.{ts,}")),
]


@pytest.mark.parametrize(("text", "problem"), REFUSED, ids=range(len(REFUSED)))
def test_a_name_that_cannot_be_meant_is_refused(text: str, problem: str) -> None:
    """In one line with the name, what is wrong and why, and what to write instead; also as a resource of any such kind."""
    with pytest.raises(ValueError, match=r"^['\"].*['\"] [^;]+; [^;]+$") as caught:
        file_resource(text)
    assert problem in str(caught.value)
    assert not isinstance(caught.value, ValidationError)
    assert len(str(caught.value)) < 1000
    for kind in ("file", "glob", "folder"):
        with pytest.raises(ValueError, match=r"^['\"].*['\"] [^;]+; [^;]+$"):
            resource(kind, text)
        with pytest.raises(ValidationError):
            Resource(kind=kind, name=text)


@pytest.mark.parametrize(
    ("kind", "text", "name", "problem"),
    [
        ("folder", "src", "src/", ""),
        ("folder", "src/", "src/", ""),
        ("folder", "y/" * 511 + "yy", "", LONG),
        ("file", "src/", "", "has the form of a folder, not of a file"),
        ("file", "src/*", "", "has the form of a glob, not of a file"),
        ("glob", "src/a.py", "", "has the form of a file, not of a glob"),
        ("folder", "src/*", "", "has the form of a glob, not of a folder"),
        ("setting", " Shop.Currency ", "Shop.Currency", ""),
        ("setting", "HKLM\\x/../y", "HKLM\\x/../y", ""),
        ("setting", " ", "", "is empty, and names nothing; name the setting"),
        ("setting", "LOG_*", "", "holds a star, which stands for nothing in the name of a setting"),
        ("setting", "a\0", "", HIDDEN),
        ("setting", "x" * 1025, "", LONG),
        ("service", " Postgres:5432\n", "Postgres:5432", ""),
        ("service", "*", "", "holds a star"),
        ("dependency", "requests", "requests", ""),
        ("dependency", " requests >= 2, <3 ", "requests", ""),
        ("dependency", "Requests[socks]~=2.0; python_version<'3.12'", "Requests", ""),
        ("dependency", "pip @ https://example.com/pip.whl", "pip", ""),
        ("dependency", "@types/node@^20", "@types/node", ""),
        ("dependency", "github.com/a/b v1.2.3", "github.com/a/b", ""),
        ("dependency", "org.example:core:1.0", "org.example:core:1.0", ""),
        ("dependency", "the requests library", "", "is not the name of one package"),
        ("dependency", ">=2", "", "is not the name of one package"),
        ("dependency", "", "", "is empty"),
    ],
)
def test_every_kind_has_its_own_names(kind: Kind, text: str, name: str, problem: str) -> None:
    """A name is trimmed to what it names, or refused because this kind has no such names."""
    if not problem:
        assert resource(kind, text).name == name == Resource(kind=kind, name=text).name
        return
    with pytest.raises(ValueError, match=r"^['\"].*['\"] [^;]+; [^;]+$") as caught:
        resource(kind, text)
    assert problem in str(caught.value)


def test_a_resource_is_frozen_and_of_a_known_kind() -> None:
    """It can be a key, survives its JSON, and an unknown kind is refused by its field alone."""
    made = file_resource("./src//a.py")
    assert {made: 1}[file_resource("src/a.py")] == 1
    assert Resource.read(made.stored()) == made
    with pytest.raises(ValidationError, match="frozen"):
        made.name = "x"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="1 validation error"):
        Resource.model_validate({"kind": "planet", "name": "../x"})


OVERLAPS: list[tuple[Kind | None, str, str, bool]] = [
    (None, "shop/*", "shop/pricing.py", True),
    (None, "shop/*", "shop/a/pricing.py", False),
    (None, "./x", "x", True),
    (None, "shop//a.py", "shop/a.py", True),
    (None, "x/", "x/y.py", True),
    (None, "x/", "x/y/z.py", True),
    (None, "x/", "xy/z.py", False),
    (None, "x", "x/", True),
    (None, "x", "x/y.py", True),
    (None, "X", "x/y/*.py", True),
    (None, "x", "xy", False),
    (None, "x.py", "*/y.py", False),
    (None, "src/a.py", "src/**/y.py", False),
    (None, "shop/pricing.py", "Shop/Pricing.py", True),
    (None, "SHOP/*", "shop/pricing.py", True),
    (None, "shop/", "SHOP/A*", True),
    (None, "\u00c9.py", "e\u0301.py", True),
    (None, "\u00df.py", "?.PY", True),
    (None, "a.py", "b.py", False),
    (None, "app/[id].tsx", "app/i.tsx", False),
    ("setting", "X", " x ", True),
    ("setting", "x.y", "x-y", False),
    ("service", "Postgres", "postgres", True),
    ("service", "postgres", "redis", False),
    ("dependency", "requests>=2", "Requests", True),
    ("dependency", "zope.interface==5", "Zope--_Interface", True),
    ("dependency", "requests", "requests2", False),
]


@pytest.mark.parametrize(("kind", "one", "other", "yes"), OVERLAPS)
def test_what_steps_side_by_side_would_both_touch(kind: Kind | None, one: str, other: str, yes: bool) -> None:
    """Whatever the spelling, and whichever comes first."""
    first, second = (resource(kind, text) if kind else file_resource(text) for text in (one, other))
    assert overlaps(first, second) is yes
    assert overlaps(second, first) is yes


def test_only_places_overlap_across_kinds() -> None:
    """File, folder and glob are places in one tree; a setting, a service and a dependency of the same name are other things."""
    places = {"file", "folder", "glob"}
    for one, other in product(get_args(Kind), repeat=2):
        first, second = (resource(kind, "x/*" if kind == "glob" else "x") for kind in (one, other))
        assert overlaps(first, second) is (one == other or {one, other} <= places), (one, other)


def test_what_patterns_match_is_listed_as_it_came() -> None:
    """Each path once, in the order and spelling given, if any of the patterns matches."""
    patterns = [file_resource("a*"), resource("setting", "b.py"), file_resource("src/"), file_resource("*.py")]
    paths = ["src/x", "b.py", "auth.py", "a/b", "README", "./src//y", "cafe\u0301.py"]
    assert matched(patterns, paths) == ("src/x", "b.py", "auth.py", "./src//y", "cafe\u0301.py")
    assert matched([], paths) == matched(patterns, []) == ()


def test_shared_names_each_pair_so_that_a_person_can_read_it() -> None:
    """Both names, or one where they are equal; sorted; the first item's name first."""
    one = [file_resource("shop/*"), file_resource("./README.md"), resource("setting", "X"), file_resource("a.py")]
    other = [file_resource("README.md"), resource("setting", "x"), file_resource("shop/pricing.py"), file_resource("b.py")]
    assert shared(one, other) == ("README.md", "X and x", "shop/* and shop/pricing.py")
    assert shared(other, one) == ("README.md", "shop/pricing.py and shop/*", "x and X")
    assert shared(iter(one), iter(other)) == shared(one, other)
    assert shared(one, []) == shared([], one) == shared(one[3:], other) == ()


def test_many_files_are_not_compared_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what could overlap is: the largest plan there may be has a million pairs of files."""
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(resources, "overlaps", lambda one, other: asked.append((one.name, other.name)))
    ones, others = ([file_resource(f"src/{side}/{number}.py") for number in range(50)] for side in "ab")
    shared([*ones, file_resource("c/*")], [*others, file_resource("src/*/1.py")])
    assert len(asked) == 50 + 51


PIECES = st.sampled_from(["a", "A", "b", "ab", "*", "a*", "?b", "**", "."])
FILES = st.builds(
    lambda parts, end: "/".join(parts) + end, st.lists(PIECES, min_size=1, max_size=4), st.sampled_from(["", "/"])
)


def made_of(kind: Kind | None, text: str) -> Resource | str:
    """The resource, or why there is none."""
    try:
        return resource(kind, text) if kind else file_resource(text)
    except ValidationError:
        raise  # a ValueError, too, and not one that a person or a model can read
    except ValueError as error:
        return str(error)


def read(texts: list[str]) -> list[Resource]:
    """Those that can be meant."""
    return [made for text in texts if isinstance(made := made_of(None, text), Resource)]


@settings(max_examples=count(80, soak=4000))
@given(st.lists(FILES, max_size=6), st.lists(FILES, max_size=6))
@example(["a"], ["A/b"])
@example(["a/b"], ["A"])
def test_shared_finds_what_comparing_all_pairs_finds(ones: list[str], others: list[str]) -> None:
    """Its short cut for files leaves nothing out."""
    first, second = read(ones), read(others)
    pairs = {(one.name, other.name) for one in first for other in second if overlaps(one, other)}
    assert set(shared(first, second)) == {one if one == other else f"{one} and {other}" for one, other in pairs}


@settings(max_examples=count(80, soak=4000))
@given(FILES, FILES)
def test_what_matches_a_file_overlaps_it_and_case_never_matters_there(glob: str, path: str) -> None:
    """Being held against what was written is never laxer than being kept apart from others."""
    both = read([glob, path])
    if len(both) == 2 and both[1].kind == "file" and matches(both[0], both[1].name):
        assert overlaps(both[0], both[1])
    if len(both) == 2:
        assert overlaps(both[0], both[1]) is overlaps(both[1], file_resource(both[0].name.upper()))


@settings(max_examples=count(150, soak=10000))
@given(st.text(max_size=12) | st.text("./*?~a \\{},:", max_size=12), st.sampled_from(get_args(Kind)))
def test_any_text_is_named_in_one_way_or_refused_in_one_sentence(text: str, kind: Kind) -> None:
    """Never another error, and what came out goes in again unchanged, in composed letters."""
    made = made_of(kind, text)
    if isinstance(made, str):
        assert len(made.splitlines()) == 1
        assert "; " in made
        return
    assert resource(kind, made.name) == made == Resource.read(made.stored())
    assert made.name == unicodedata.normalize("NFC", made.name)
    assert overlaps(made, made)
    if kind in ("file", "glob", "folder"):
        assert file_resource(made.name) == made


@pytest.mark.parametrize(
    "name", [".git", ".GIT", ".git.", ".git ", ".git . .", ".git::$DATA", "GIT~1", "\uff0egit", ".g\u200bit"]
)
def test_every_spelling_of_gits_folder_is_known(name: str) -> None:
    """As some file system reads it."""
    assert is_git_folder(name)


def test_names_that_only_look_like_gits_folder_are_not() -> None:
    """What begins with it, and what lacks the dot."""
    assert [name for name in (".gitignore", ".github", "git", ".gitx", "x.git", "git~2", "") if is_git_folder(name)] == []
