"""How often somebody may try to sign in, and whose sessions a password ends: on each database."""

from datetime import timedelta

import pytest

from ledger import passwords, sign_in_tries, signed_in
from ledger.db import Ledger
from ledger.sign_in_tries import Limit

ONE, OTHER = Limit("one", 3, timedelta(minutes=1)), Limit("other", 2, timedelta(minutes=1))


def test_a_limit_holds_and_lets_go(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one of two limits refuses is not counted by the other either, and what was right is given back."""
    assert [ledger.tx_now(sign_in_tries.count, ONE, OTHER) for _ in range(4)] == [True, True, False, False]
    assert [ledger.tx_now(sign_in_tries.count, ONE) for _ in range(2)] == [True, False]
    ledger.tx_now(sign_in_tries.give_back, ONE, OTHER)
    assert [ledger.tx_now(sign_in_tries.count, ONE, OTHER) for _ in range(2)] == [True, False]
    real, minute = sign_in_tries.server_us, timedelta(minutes=1) // timedelta(microseconds=1)
    monkeypatch.setattr(sign_in_tries, "server_us", lambda connection: real(connection) + minute)
    assert ledger.tx_now(sign_in_tries.count, ONE, OTHER)


def test_a_password_is_kept_changed_and_taken_away(ledger: Ledger) -> None:
    """Each time the sessions and links of its person end, and those of nobody else; a new hash of the same ends nothing."""
    mine, other = (ledger.tx_now(signed_in.begin, person, "password") for person in ("olga", "petra"))
    link = ledger.tx_now(signed_in.make_link, "olga")
    assert ledger.read_now(passwords.hash_of, "olga") is None
    assert not ledger.tx_now(passwords.put, "olga", "first")
    assert [ledger.read_now(signed_in.find, one) is None for one in (mine, other)] == [True, False]
    assert ledger.read_now(signed_in.person_of_link, link) is None
    again = ledger.tx_now(signed_in.begin, "olga", "password")
    ledger.tx_now(passwords.rehash, "olga", "first", "renewed")
    ledger.tx_now(passwords.rehash, "olga", "first", "too late")
    assert ledger.read_now(passwords.hash_of, "olga") == "renewed"
    assert ledger.read_now(signed_in.find, again) is not None
    assert ledger.tx_now(passwords.put, "olga", "second")
    assert ledger.read_now(signed_in.find, again) is None
    assert [ledger.tx_now(passwords.remove, "olga") for _ in range(2)] == [True, False]
    assert ledger.read_now(passwords.hash_of, "olga\0") is None


def test_a_session_begins_anew_and_ends_what_was_there(ledger: Ledger) -> None:
    """Whatever the browser brought, a session of somebody else or nothing that is known."""
    before = ledger.tx_now(signed_in.begin, "petra", "link")
    after = ledger.tx_now(signed_in.begin, "olga", "proxy", before)
    assert ledger.read_now(signed_in.find, before) is None
    found = ledger.read_now(signed_in.find, after)
    assert found is not None
    assert (found[0].person, found[0].way) == ("olga", "proxy")
    assert ledger.tx_now(signed_in.begin, "olga", "link", "chosen-by-another") != "chosen-by-another"
