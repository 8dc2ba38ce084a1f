"""Names with passwords: one answer for all that is wrong, few tries, and no more than a hash anywhere."""

import asyncio
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from console import entering, hashing
from contracts.passwords import SHORTEST, password_problem
from ledger import passwords, sign_in_tries, signed_in
from ledger.db import Ledger, now_us
from ledger.sign_in_tries import Limit
from tests.console.serving import Served, served

RIGHT, OTHER = "violet tractor moon", "granite spoon 48 lanterns"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cheapest parameters: how expensive a hash is, is the library's."""
    monkeypatch.setattr(hashing, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def _give(ledger: Ledger, person: str = "olga", password: str = RIGHT) -> None:
    ledger.tx_now(passwords.put, person, hashing.made(password))


async def _try(console: Served, name: str = "olga", password: str = RIGHT) -> int:
    return (await console.visitor().post("/sign-in", name=name, password=password)).status_code


async def test_a_name_with_its_password_signs_in_and_nothing_else_does(console: Served) -> None:
    """A wrong password, a name that nobody has, one without a password: the same page, and no cookie."""
    _give(console.ledger)
    _give(console.ledger, "petra", OTHER)
    answers = []
    for name, password in (("olga", OTHER), ("olga", ""), ("nobody", RIGHT), ("", ""), ("Olga", RIGHT), ("o\0lga", RIGHT)):
        answer = await console.visitor().post("/sign-in", name=name, password=password)
        answers.append((answer.status_code, answer.text, "set-cookie" in answer.headers))
    assert len(set(answers)) == 1
    assert (answers[0][0], entering.WRONG in answers[0][1], answers[0][2]) == (401, True, False)
    visitor = console.visitor()
    assert (await visitor.post("/sign-in", name=" olga ", password=RIGHT)).status_code == 303
    assert "<span>olga</span>" in (await visitor.get("/")).text


async def test_a_name_that_nobody_has_takes_the_same_work(console: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """One hash with the same parameters is compared, whatever is wrong; so how long it takes says nothing."""
    _give(console.ledger)
    worked: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:
            worked.append(str(hash).rpartition("$")[0].rpartition("$")[0])
            return super().verify(hash, password)

    monkeypatch.setattr(hashing, "HASHER", Counting(time_cost=1, memory_cost=8, parallelism=1))
    for name in ("olga", "nobody"):
        assert await _try(console, name, OTHER) == 401
    assert worked == ["$argon2id$v=19$m=8,t=1,p=1"] * 2


async def test_who_guesses_for_one_name_has_to_wait_and_others_do_not(console: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with the right one, so that nobody learns whether a guess was right; a link gets the person in; time lets go."""
    _give(console.ledger)
    _give(console.ledger, "petra")
    most = sign_in_tries.of_name("olga").most
    assert [await _try(console, password=f"guess {number}") for number in range(most)] == [401] * most
    assert await _try(console) == 429
    assert await _try(console, "petra") == 303
    assert (await (await console.signed_in("olga")).get("/")).status_code == 200
    _later(monkeypatch, sign_in_tries.of_name("olga").within + timedelta(seconds=1))
    assert await _try(console) == 303


async def test_names_that_nobody_has_are_limited_as_those_that_somebody_has(console: Served) -> None:
    """Else the limit would say who is there."""
    most = sign_in_tries.of_name("nobody").most
    assert [await _try(console, "nobody") for _ in range(most + 1)] == [401] * most + [429]


async def test_over_all_names_there_is_a_limit_that_consoles_share(
    console: Served, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One password for many names is tried no more often, and a second console is no second try."""
    _give(ledger)
    monkeypatch.setattr(sign_in_tries, "PASSWORDS", Limit("passwords", 6, timedelta(minutes=15)))
    async with served(ledger) as other:
        tried = [await _try(one, f"name-{number}") for number in range(4) for one in (console, other)]
        assert tried == [401] * 6 + [429] * 2
        assert [await _try(one) for one in (console, other)] == [429, 429]


async def test_tries_that_come_at_once_find_no_more_room(console: Served) -> None:
    """Twice as many as there may be, all of them before the first is answered."""
    _give(console.ledger)
    most = sign_in_tries.of_name("olga").most
    answers = await asyncio.gather(*(_try(console, password=f"guess {number}") for number in range(2 * most)))
    assert sorted(answers) == [401] * most + [429] * most


async def test_right_passwords_are_not_counted(console: Served) -> None:
    """Somebody who signs in many times a day locks nobody out."""
    _give(console.ledger)
    assert {await _try(console) for _ in range(3 * sign_in_tries.of_name("olga").most)} == {303}


async def test_hashes_are_made_elsewhere_and_few_at_a_time(console: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """While as many as may be are made, further ones wait, and pages are answered."""
    _give(console.ledger)
    visitor = await console.signed_in()
    inside, most, go = [0], [0], threading.Event()
    begun = threading.Semaphore(0)

    class Slow(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            begun.release()
            go.wait()
            inside[0] -= 1
            return super().verify(hash, password)

    monkeypatch.setattr(hashing, "HASHER", Slow(time_cost=1, memory_cost=8, parallelism=1))
    tries = [asyncio.create_task(_try(console, f"name-{number}")) for number in range(3 * hashing.AT_ONCE)]
    for _ in range(hashing.AT_ONCE):
        await asyncio.to_thread(begun.acquire)
    assert (await visitor.get("/")).status_code == 200
    go.set()
    assert await asyncio.gather(*tries) == [401] * len(tries)
    assert most[0] == hashing.AT_ONCE


async def test_a_hash_of_other_parameters_is_made_again(console: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next sign-in, without anybody noticing; the password stays the same."""
    _give(console.ledger)
    old = console.ledger.read_now(passwords.hash_of, "olga")
    assert await _try(console) == 303
    assert console.ledger.read_now(passwords.hash_of, "olga") == old
    monkeypatch.setattr(hashing, "HASHER", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    assert await _try(console, password=OTHER) == 401
    assert console.ledger.read_now(passwords.hash_of, "olga") == old
    assert await _try(console) == 303
    new = console.ledger.read_now(passwords.hash_of, "olga")
    assert (new or "").startswith("$argon2id$v=19$m=16,t=2,p=1$")
    assert await _try(console) == 303


async def test_another_password_ends_the_sessions_of_its_person_alone(console: Served) -> None:
    """And no link that was made for them counts any more; the old password is wrong."""
    _give(console.ledger)
    visitor, other = await console.signed_in("olga"), await console.signed_in("petra")
    link = console.ledger.tx_now(signed_in.make_link, "olga")
    _give(console.ledger, password=OTHER)
    assert [(await one.get("/")).status_code for one in (visitor, other)] == [303, 200]
    assert (await console.visitor().post("/sign-in", link=link)).status_code == 410
    assert [await _try(console), await _try(console, password=OTHER)] == [401, 303]
    assert console.ledger.tx_now(passwords.remove, "olga")
    assert await _try(console, password=OTHER) == 401
    assert not console.ledger.tx_now(passwords.remove, "olga")


async def test_a_password_that_is_changed_while_it_is_compared_does_not_count(
    console: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the old one is too late."""
    _give(console.ledger)

    class Meanwhile(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:
            console.ledger.tx_now(passwords.remove, "olga")
            return super().verify(hash, password)

    monkeypatch.setattr(hashing, "HASHER", Meanwhile(time_cost=1, memory_cost=8, parallelism=1))
    assert await _try(console) == 401


async def test_a_session_that_was_there_ends_when_somebody_signs_in(console: Served) -> None:
    """Fixation: the secret is a new one each time, and the one that the browser brought is worth nothing afterwards."""
    _give(console.ledger)
    visitor = await console.signed_in("petra")
    before = dict(visitor.cookies)
    assert (await visitor.post("/sign-in", name="olga", password=RIGHT)).status_code == 303
    assert visitor.cookies != before
    again = dict(visitor.cookies)
    assert (await visitor.post("/sign-in", name="olga", password=RIGHT)).status_code == 303
    for old in (before, again):
        copied = console.visitor()
        copied.cookies = old
        assert (await copied.get("/")).status_code == 303
    chosen = console.visitor()
    chosen.cookies["baton_console"] = "chosen-by-another"
    await chosen.post("/sign-in", name="olga", password=RIGHT)
    assert chosen.cookies["baton_console"] != "chosen-by-another"


async def test_a_form_of_another_site_signs_nobody_in(console: Served) -> None:
    """Neither with a password nor with anything else: its origin is asked for first."""
    _give(console.ledger)
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        answer = await console.visitor().post("/sign-in", headers=headers, name="olga", password=RIGHT)
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


async def test_a_form_without_anything_is_told(console: Served) -> None:
    """Not an error of ours."""
    assert (await console.visitor().post("/sign-in", other="x")).status_code == 400


def test_the_ledger_keeps_no_password_and_no_name_that_was_typed(ledger: Ledger, tmp_path: Path) -> None:
    """People type a password where the name belongs."""
    _give(ledger)
    ledger.tx_now(sign_in_tries.count, sign_in_tries.of_name(OTHER))
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("ledger.db*"))
    assert b"$argon2id$" in kept
    assert RIGHT.encode() not in kept
    assert OTHER.encode() not in kept


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("elevenchars", f"11 characters, and takes at least {SHORTEST}"),
        ("", "0 characters"),
        ("x" * 1001, "at most 1000"),
        ("aaaaaaaaaaaabc", "different characters"),
        ("violet\ttractor moon", "no keyboard types"),
        *[(one, "tried first") for one in ("password1234", "Passw0rd!2024", "qwertyuiop123", "123456789012", "1qaz2wsx3edc")],
        *[
            (one, "tried first")
            for one in ("iloveyou12345", "welcome2baton!", "letmeinletmein", "Summer2024Summer", "P@$$w0rd12345")
        ],
        *[(one, "the name of whose") for one in ("olga-olga-olga", "OlgaPetrova2024!", "petrova-petrova", "0lga.Petrova1")],
    ],
)
def test_passwords_that_are_guessed_first_are_refused_with_the_reason(password: str, why: str) -> None:
    """Short ones, common ones, and the person's own name however it is dressed up."""
    assert why in password_problem(password, "Olga.Petrova")


@pytest.mark.parametrize(
    "password",
    [RIGHT, OTHER, "kitten-sofa-lamp-91", "пароль из четырёх слов", "ein Fahrrad im Schnee", "🜁🜂🜃 odd elements here"],
)
def test_others_are_taken(password: str) -> None:
    """Also in other scripts, with spaces, and without digits."""
    assert password_problem(password, "Olga.Petrova") == ""


def test_a_password_is_the_same_however_it_was_composed() -> None:
    """Two keyboards make the same letter of one or of two characters."""
    assert hashing._is_right(hashing.made("zwölf große Bäume"), "zwo\u0308lf gro\u00dfe Ba\u0308ume")


def test_a_hash_that_cannot_be_read_lets_nobody_in() -> None:
    """It is logged, and the answer is that of a wrong password."""
    assert not hashing._is_right("x", "x")


def _later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    monkeypatch.setattr(sign_in_tries, "server_us", lambda _: now_us() + by // timedelta(microseconds=1))
