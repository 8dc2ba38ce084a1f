"""The held-out defects are others than those that the rules were chosen by."""

from benchmarks import review


def test_no_package_is_in_both_lists() -> None:
    """Neither a package nor a defect, and each once; the same fields as the first list."""
    first, held = review.listed(), review.listed(review.HELD_OUT)
    assert len(held) >= 15
    assert {one.name for one in held} & {one.name for one in first} == set()
    assert {one.id for one in held} & {one.id for one in first} == set()
    assert len({one.id for one in held}) == len(held)
    assert all(len(digest) == 64 for one in held for digest in (one.fixed_sha256, one.before_sha256))
