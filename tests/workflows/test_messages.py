"""Reading what people send: over any bytes and any JSON nothing but a refusal or a permanent failure comes out."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError

from contracts.base import Contract
from contracts.carried import Finished
from contracts.delivery.run import DeliveryInput
from contracts.delivery.writing import WriteItemInput
from contracts.errors import Refused
from contracts.gates import OFFERED, VERBS, Decision, GateView, Verb
from contracts.handoff import Question
from converter import PAYLOAD_LIMIT, StrictConverter, Unreadable, fits
from tests.depth import count
from workflows.kit.memory import Entry, in_batches
from workflows.kit.messages import check_decision, read_decision, read_switch, text_of

OPENED = datetime(2026, 5, 1, tzinfo=UTC)
VIEW = GateView(
    gate="plan-2",
    kind="plan",
    revision=2,
    trace="t",
    path="",
    workflow_id="w",
    project="p",
    subject="a" * 64,
    title="t",
    questions=(Question(id="check", text="Which?"),),
    verbs=VERBS["plan"],
    opened_at=OPENED,
    deadline=OPENED + timedelta(hours=1),
    on_expiry="rejects",
)

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
FIELDS = st.sampled_from(["gate", "by", "note", "subject", "answers", "channel", "nonce", "check"])
ANY = st.recursive(
    LEAVES | st.just(Unreadable("no")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS | st.text(max_size=5), inner, max_size=6),
    max_leaves=12,
)
NEAR = st.fixed_dictionaries(
    {"gate": st.sampled_from(["plan-2", "plan"]), "by": st.just("maria")},
    optional={
        "note": st.sampled_from(["", " ", "why"]),
        "subject": st.sampled_from(["a" * 64, "b" * 64, None]),
        "answers": st.dictionaries(st.sampled_from(["check", "other"]), st.text(max_size=3), max_size=2),
    },
)
ENCODINGS = st.sampled_from([b"json/plain", b"json/protobuf", b"binary/protobuf", b"binary/plain", b"binary/null"])
PAYLOADS = st.builds(
    lambda metadata, data: Payload(metadata=metadata, data=data),
    st.dictionaries(st.just("encoding"), ENCODINGS | st.binary(max_size=8))
    | st.builds(lambda encoding, message: {"encoding": encoding, "messageType": message}, ENCODINGS, st.binary(max_size=8)),
    st.binary() | ANY.map(lambda value: json.dumps(value, default=str).encode()),
)


def refusal_of(what: Callable[[], object]) -> str | None:
    """With which text it was refused, None if it was not. Any other error goes through, and fails the test."""
    try:
        what()
    except Refused as error:
        return str(error)
    except ApplicationError as error:
        return error.message if error.non_retryable else None
    return None


@settings(max_examples=count(30, soak=1000))
@given(st.lists(ANY | NEAR, max_size=3).map(tuple), st.sampled_from(OFFERED))
def test_any_arguments_are_a_decision_or_refused(args: tuple[Any, ...], verb: Verb) -> None:
    """Any count of any values: read as one decision that the gate takes, or refused with a short text."""
    refused = refusal_of(lambda: check_decision(VIEW, verb, read_decision(args)))
    if refused is None:
        assert verb in VIEW.verbs
        assert args[0].get("subject") == VIEW.subject or verb != "approve"
    else:
        assert 0 < len(refused) < 5000


@settings(max_examples=count(30, soak=1000))
@given(st.lists(ANY, max_size=3).map(tuple))
def test_any_arguments_switch_or_are_refused(args: tuple[Any, ...]) -> None:
    """Pause and resume take nothing, or one object; what is kept of a refused message is short text."""
    refused = refusal_of(lambda: read_switch("pause", args))
    fits = len(args) < 2 and all(isinstance(one, dict | None) for one in args)
    assert (refused is None) == fits
    assert len(text_of(args, "gate")) <= 200


@settings(max_examples=count(30, soak=1000))
@given(st.lists(PAYLOADS, max_size=3))
def test_any_payload_is_a_value_where_any_is_taken(payloads: list[Payload]) -> None:
    """A handler is always called: with the value, or with what says why there is none."""
    values = StrictConverter().from_payloads(payloads)
    assert len(values) == len(payloads)
    assert all(0 < len(value.reason) < 6000 for value in values if isinstance(value, Unreadable))


@settings(max_examples=count(30, soak=1000))
@given(PAYLOADS, st.sampled_from([DeliveryInput, WriteItemInput, Decision]))
def test_any_payload_is_the_contract_or_a_permanent_failure(payload: Payload, wanted: type[Contract]) -> None:
    """Where a contract is expected nothing is raised that a task could stumble over. A run's own input the guard refuses."""
    read: list[Any] = []
    refused = refusal_of(lambda: read.extend(StrictConverter().from_payloads([payload], [wanted])))
    if refused is None:
        told = (Unreadable,) if wanted is DeliveryInput else ()
        assert isinstance(read[0], (bytes, wanted, type(None), *told))
        assert not isinstance(read[0], Unreadable) or 0 < len(read[0].reason) < 6000
    else:
        assert 0 < len(refused) < 6000


def test_a_payload_that_is_too_large_is_never_made() -> None:
    """Neither a result nor an argument of ours is ever so large that Temporal would fail the task that carries it."""
    StrictConverter().to_payloads(["x" * (PAYLOAD_LIMIT - 100)])
    with pytest.raises(ApplicationError, match=f"str has .* bytes and may have {PAYLOAD_LIMIT}") as refused:
        StrictConverter().to_payloads(["small", "x" * PAYLOAD_LIMIT])
    assert refused.value.non_retryable
    assert fits("x" * (PAYLOAD_LIMIT - 100))
    assert not fits("x" * PAYLOAD_LIMIT)


@settings(max_examples=count(20, soak=500))
@given(st.lists(st.integers(0, 300), max_size=20), st.integers(1, 200))
def test_results_go_to_the_store_in_requests_that_fit(sizes: list[int], limit: int) -> None:
    """Every result once, in order, and never more together than fits, unless one alone is larger."""
    entries = [Entry(lambda: "n", result=Finished(key="k", result="x" * size)) for size in sizes]
    batches = in_batches(entries, limit)
    assert [entry for some in batches for entry in some] == entries
    for some in batches:
        assert len(some) == 1 or sum(len(entry.finished().result) for entry in some) <= limit
