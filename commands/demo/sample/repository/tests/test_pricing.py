import pytest

from shop.pricing import discounted, total


def test_no_discount_changes_nothing():
    assert discounted(1999, 0) == 1999


def test_half_a_cent_rounds_up():
    assert discounted(999, 50) == 500


def test_a_discount_is_a_percentage():
    with pytest.raises(ValueError, match="between 0 and 100"):
        discounted(100, 101)


def test_total_counts_quantities():
    assert total([(250, 2), (100, 1)]) == 600
