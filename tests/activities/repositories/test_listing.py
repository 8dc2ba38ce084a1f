"""Long lists in contracts: the first of them by name, all of them counted, the whole beside it."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from activities.repositories.junit import FAILURES_LIMIT
from activities.repositories.listing import NAMED, NAMED_BYTES, first, listed
from activities.repositories.verdict import report
from contracts.base import BODY_LIMIT, ArtifactRef, canonical, sha256
from contracts.repositories import ChangeSet, CheckRun, FileChange
from contracts.risky_paths import kinds_of
from tests.depth import count

COUNT = st.none() | st.integers(0, 10_000)
CHANGES = st.builds(
    FileChange,
    path=st.text(min_size=1, max_size=40) | st.sampled_from(["Makefile", "x" * 4000, ".github/workflows/ci.yml"]),
    status=st.just("modified"),
    added=COUNT,
    removed=COUNT,
)


@settings(max_examples=count(30, soak=1000))
@given(st.lists(CHANGES, max_size=150), st.lists(st.text(max_size=40), max_size=150))
def test_what_is_not_named_is_counted_and_listed(files: list[FileChange], outside: list[str]) -> None:
    """The first files in order, within the limits; where some are missing, counts and listing are of all."""
    found = listed(files, outside)
    assert list(found.files) == files[: len(found.files)]
    assert list(found.outside) == outside[: len(found.outside)]
    for names in ([one.model_dump(mode="json") for one in found.files], found.outside):
        assert len(names) <= NAMED
        assert sum(len(canonical(one)) for one in names) <= NAMED_BYTES
    complete = (len(found.files), len(found.outside)) == (len(files), len(outside))
    assert (found.counts is None, found.listing == b"") == (complete, complete)
    if found.counts is not None:
        assert (found.counts.files, found.counts.outside) == (len(files), len(outside))
        assert found.counts.added == sum(one.added or 0 for one in files)
        assert found.counts.binary == sum(one.added is None for one in files)
        assert {one.kind for one in found.counts.risks} == {kind for one in files for kind in kinds_of(one.path)}
        assert found.counts.listing == sha256(found.listing)
        assert [one["path"] for one in json.loads(found.listing)["files"]] == [one.path for one in files]


def test_a_change_that_is_named_in_full_keeps_its_bytes() -> None:
    """A field that came later and says nothing is not there: what people approved before has the digest that it had."""
    change = ChangeSet(item="i", summary="s", start_tree="a", tree="b")
    assert "counts" not in change.model_dump(mode="json")
    assert b"counts" not in change.stored()
    run = CheckRun(command="c", tree="t", exit_code=0, output=ArtifactRef(digest="0" * 64, size=0))
    assert b"unnamed" not in run.stored()
    assert b'"unnamed":3' in run.model_copy(update={"unnamed": 3}).stored()


def test_a_report_of_many_failures_with_long_names_is_a_small_contract() -> None:
    """The most failures that a run names, each as long as names get, on the change and on the base."""
    names = tuple(f"{'é' * 396}{number:04}" for number in range(FAILURES_LIMIT))

    def run(failures: tuple[str, ...]) -> CheckRun:
        kept = first(failures, FAILURES_LIMIT)
        output = ArtifactRef(digest="0" * 64, size=0)
        return CheckRun(
            command="pytest", tree="t", exit_code=1, total=500, failures=kept, unnamed=len(failures) - len(kept),
            output=output, tail="x" * 3000,
        )  # fmt: skip

    made = report((run(names),), run(names[50:]), None, "n" * 4000)
    assert made.verdict == "failed"
    assert "200 of 500 tests fail" in made.why
    assert len(made.stored()) < BODY_LIMIT
