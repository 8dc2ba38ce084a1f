"""What globs fit and share, against slow readings of the same rules that try everything."""

from functools import cache
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.globs import fits, meet, shape
from contracts.resources import file_resource, matches, overlaps, resource
from tests.depth import count

FITS = [
    ("shop/*", ("shop/pricing.py", "shop/.hidden"), ("shop", "shop/a/b.py", "shops/a.py", "a/shop/b")),
    ("a*", ("a", "ab", "auth.py"), ("a/b/c/d.yml", "ab/evil.txt", "ba")),
    ("src/*.py", ("src/a.py", "src/.py"), ("src/a.pyc", "src/x/a.py", "a/src/b.py", "src/apy")),
    ("src/**", ("src/a", "src/a/b/c"), ("src", "a/src/b", "srcs/a")),
    ("src/**/x.py", ("src/x.py", "src/a/x.py", "src/a/b/x.py"), ("x.py", "src/ax.py", "src/x.py/a", "src/a/bx.py")),
    ("**/test_*.py", ("test_a.py", "x/y/test_.py"), ("x/a.py", "x/test_a.py/b", "xtest_a.py")),
    ("a/**/b/**/c", ("a/b/c", "a/x/b/y/z/c", "a/b/b/c"), ("a/c", "a/b/x", "a/bc")),
    ("x/**/y/**", ("x/y/z", "x/a/y/y/b"), ("x/y", "x/a/b")),
    ("shop/", ("shop/a", "shop/a/b"), ("shop", "shops/a", "a/shop/b")),
    ("a/b.py", ("a/b.py",), ("a/bxpy", "a/b.py/c", "b.py", "a/b.pyc")),
    ("v?.txt", ("v1.txt", "vé.txt", "v?.txt"), ("v.txt", "v12.txt", "v/.txt")),
    ("*a*b*c", ("abc", "xaabxbcc"), ("acb", "abcx", "ab/c")),
    ("a**b", ("ab", "axxb"), ("a/b", "a/x/b")),
    ("x*/", ("x1/a", "x/a/b"), ("x1", "y/a")),
    ("[ab].py", ("[ab].py",), ("a.py", "b.py")),
    ("[!a]/x*", ("[!a]/x",), ("b/x",)),
    ("x/.*", ("x/.env",), ("x/env", ".env")),
    ("x/*", ("x/.env", "x/\u00e9"), ("x/a/b",)),
    ("x/?", ("x/\u00e9", "x/\u4e2d"), ("x/ab", "x//")),
    ("[id].tsx", ("[id].tsx",), ("i.tsx", "d.tsx")),
    ("app/[id]/*.tsx", ("app/[id]/page.tsx",), ("app/i/page.tsx", "app/[id]/a/page.tsx")),
    ("a+(b).*", ("a+(b).c",), ("aab.c", "a+(b)c")),
]


@pytest.mark.parametrize(("glob", "yes", "no"), FITS)
def test_what_a_glob_fits(glob: str, yes: tuple[str, ...], no: tuple[str, ...]) -> None:
    """A star stays in its folder, `?` is one character, `**` crosses folders; brackets, dots and the rest are themselves."""
    wanted = file_resource(glob)
    assert [path for path in yes if not matches(wanted, path)] == []
    assert [path for path in no if matches(wanted, path)] == []


def test_a_written_path_has_to_be_the_same_to_the_letter() -> None:
    """Upper and lower case tell written files apart, though they would collide elsewhere; two spellings of é do not."""
    assert not matches(file_resource("shop/Pricing.py"), "shop/pricing.py")
    assert not matches(file_resource("shop/*.PY"), "shop/pricing.py")
    assert not matches(file_resource("Shop/"), "shop/pricing.py")
    assert not matches(file_resource("shop"), "shop/pricing.py")
    assert matches(file_resource("Shop/*.PY"), "Shop/Pricing.PY")
    assert matches(file_resource("caf\u00e9/*"), "cafe\u0301/a")


@pytest.mark.parametrize(("glob", "yes", "no"), FITS)
def test_tools_and_plans_read_a_glob_alike(glob: str, yes: tuple[str, ...], no: tuple[str, ...]) -> None:
    """`fits` on a path says what `matches` says of a file that was written; composed letters are no difference."""
    assert [path for path in yes if not fits(path, glob)] == []
    assert [path for path in no if fits(path, glob)] == []
    assert fits("cafe\u0301/a", "caf\u00e9/*")
    assert fits("caf\u00e9/a", "cafe\u0301/?")
    assert not fits("CAF\u00c9/a", "caf\u00e9/*")


@pytest.mark.parametrize(
    "path", ["", "/a/b", "a/../a/b", "../a/b", "a/.git/b", "a/b\\c", "a/b\nc", "a/\u202eb", "a/\ud800", "."]
)
def test_no_pattern_matches_a_path_that_leads_elsewhere(path: str) -> None:
    """Nobody planned it, so a person has to see it."""
    for wide in ("a/**", "**/b*", "**/.*/**", "a*/**"):
        assert not matches(file_resource(wide), path)


def test_written_names_are_never_read_as_patterns() -> None:
    """A file that is really called with a star is that file; a folder covers every name, odd ones too."""
    assert not matches(file_resource("a/b.py"), "a/*.py")
    assert not matches(file_resource("a/b.py"), "a/?.py")
    assert [path for path in ("a/*", "a/{x,y}", "a/~", "a/ b ", "a/C:") if not matches(file_resource("a/"), path)] == []


def test_only_files_are_written() -> None:
    """A setting of the same name covers no file."""
    for kind in ("setting", "service", "dependency"):
        assert not matches(resource(kind, "a.py"), "a.py")


MEET = [
    ("src/*.py", "src/a*", True),
    ("src/**", "src/x/*.py", True),
    ("a*b", "ab*", True),
    ("a*b/x", "ab*/y", False),
    ("*.py", "*.md", False),
    ("*a.py", "*b.py", False),
    ("a*", "b*", False),
    ("src/*", "src/*/*.py", False),
    ("src/*.py", "src/**/a.py", True),
    ("src/**/a.py", "src/**/b.py", False),
    ("src/**/a.py", "test/**/a.py", False),
    ("**/a/*.py", "src/**", True),
    ("**/a/*.py", "src/*.py", False),
    ("**/a/**", "b/**/c", True),
    ("a/**/b", "a/?", True),
    ("a/**/b", "a/?c", False),
    ("a??", "*bc", True),
    ("a?", "*bc", False),
    ("**/a?/x*", "y/*/xx", True),
    ("[id]*", "[id]?", True),
    ("^a*", "xa?", False),
    ("a.*", "ab?", False),
    ("x/*", "x/", True),
    ("y/*", "x/", False),
    ("x/**", "x/", True),
    ("x*/", "xy/z/*", True),
    ("x/", "x/y/", True),
    ("x/y/", "x/z/", False),
]


@pytest.mark.parametrize(("one", "other", "yes"), MEET)
def test_whether_two_globs_can_name_one_path(one: str, other: str, yes: bool) -> None:
    """Two globs overlap exactly where some path fits both; which of the two comes first is no matter."""
    assert overlaps(file_resource(one), file_resource(other)) is yes
    assert overlaps(file_resource(other), file_resource(one)) is yes


def slow_name(glob: str, name: str) -> bool:
    """Whether one name fits, by trying every length of every star."""
    if not glob:
        return not name
    if glob[0] == "*":
        return any(slow_name(glob[1:], name[cut:]) for cut in range(len(name) + 1))
    return bool(name) and glob[0] in ("?", name[0]) and slow_name(glob[1:], name[1:])


def slow_path(glob: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Whether a path fits, by trying every depth of every `**`. At the end it, and the end of a folder, is not nothing."""
    if not glob:
        return not path
    if glob in (("**",), ("",)):
        return bool(path)
    if glob[0] == "**":
        return any(slow_path(glob[1:], path[cut:]) for cut in range(len(path) + 1))
    return bool(path) and slow_name(glob[0], path[0]) and slow_path(glob[1:], path[1:])


def names(longest: int) -> tuple[str, ...]:
    """Every name of two letters up to this length."""
    return tuple("".join(letters) for length in range(1, longest + 1) for letters in product("ab", repeat=length))


NAMES = names(6)
"""Two name globs of up to four characters that have a name in common have one of these: at most three letters of each."""

PATHS = tuple(path for depth in range(1, 6) for path in product(("a", "b", "ab", "ba"), repeat=depth))
"""Enough for two globs of up to three names, of which each is at most two characters of `ab*` or `**`."""


@cache
def fitting_names(glob: str) -> frozenset[str]:
    """All names that fit."""
    return frozenset(name for name in NAMES if slow_name(glob, name))


@cache
def fitting_paths(glob: str) -> frozenset[tuple[str, ...]]:
    """All paths that fit."""
    return frozenset(path for path in PATHS if slow_path(tuple(glob.split("/")), path))


name_globs = st.text("ab*?", min_size=1, max_size=4).filter(lambda one: "**" not in one)
path_globs = st.lists(st.sampled_from(["a", "b", "ab", "*", "a*", "*a", "*b", "**", "**"]), min_size=1, max_size=3).map(
    "/".join
)


@settings(max_examples=count(200, soak=15000))
@given(name_globs, name_globs)
def test_name_globs_meet_exactly_where_a_name_fits_both(one: str, other: str) -> None:
    """Against every name there is up to the length that could matter."""
    assert meet(one, other) is bool(fitting_names(one) & fitting_names(other))


@settings(max_examples=count(200, soak=15000))
@given(path_globs, path_globs)
@example("**", "a")
@example("a/**", "a")
@example("a/**/b", "*/a/b")
def test_path_globs_meet_exactly_where_a_path_fits_both(one: str, other: str) -> None:
    """Against every path there is up to the depth that could matter."""
    assert meet(one, other) is bool(fitting_paths(one) & fitting_paths(other))


@st.composite
def globs_and_paths(draw: st.DrawFn) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A glob, and a path that it fits, or that it fits but for one letter or one name."""
    glob = draw(st.lists(st.just("**") | name_globs, min_size=1, max_size=5))
    path: list[str] = []
    for part in glob:
        if part == "**":
            path += draw(st.lists(st.text("ab", min_size=1, max_size=2), max_size=2))
        else:
            made = [draw(st.text("ab", max_size=2)) if one == "*" else one.replace("?", "a") for one in part]
            path.append("".join(made) or "b")
    change = draw(st.sampled_from(["nothing", "nothing", "letter", "name"]))
    at = draw(st.integers(0, max(len(path) - 1, 0)))
    if change == "letter" and path:
        path[at] = path[at] + "a" if draw(st.booleans()) else path[at][1:] or "a"
    if change == "name":
        path.insert(at, "b")
    return tuple(glob), tuple(path or ["a"])


@settings(max_examples=count(200, soak=15000))
@given(globs_and_paths())
def test_a_glob_fits_exactly_what_the_rules_say(case: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    """Against the slow reading, on paths that it fits or nearly fits."""
    glob, path = case
    assert (shape("/".join(glob)).fullmatch("/".join(path)) is not None) is slow_path(glob, path)


def test_globs_made_to_be_slow_end() -> None:
    """Trying every length of every star, or every depth of every `**`, would not end before the test's time does."""
    stars, deep = file_resource("x/" + "a*" * 60 + "b"), file_resource("**/a/" * 39 + "b")
    assert not matches(stars, "x/" + "a" * 250)
    assert not matches(deep, "/".join("a" * 500))
    assert not overlaps(stars, file_resource(f"x/{'a' * 190}?c"))
    assert overlaps(stars, file_resource(f"x/{'a' * 190}?"))
    assert not overlaps(deep, file_resource("a/" * 90 + "?c"))
    assert overlaps(deep, file_resource("a/" * 90 + "?"))
    assert not fits("/".join(["a" * 100] * 200), "**/" * 40 + "a*" * 60 + "b")
    assert not fits("a" * 250, "*a" * 120 + "b")
