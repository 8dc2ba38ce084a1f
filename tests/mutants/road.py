"""The road to a provider: what is cheap there does not lose a call, and does not read another thing than was said."""

from tests.mutants.mutant import Mutant

SOCKETS = "activities/providers/sockets.py"
OVER = "tests/wire/test_sockets.py"

MUTANTS = (
    Mutant(
        name="asks-on-a-dead-connection",
        promise="A kept connection that the server has given up is not asked.",
        file=SOCKETS,
        old="return bool(self._received.waiting or self._received.ended or self._looking.poll(0))",
        new="return False",
        tests=(f"{OVER}::test_a_connection_that_the_server_has_given_up_is_not_asked",),
    ),
    Mutant(
        name="kept-too-short",
        promise="A connection is kept through what an agent does between two calls.",
        file=SOCKETS,
        old="keepalive_expiry=KEPT",
        new="keepalive_expiry=5.0",
        tests=(f"{OVER}::test_a_connection_is_kept_for_so_long",),
    ),
    Mutant(
        name="connections-by-anyio",
        promise="Connections are opened by asyncio alone.",
        file=SOCKETS,
        old="made._pool._network_backend = Sockets()",
        new="pass",
        tests=(f"{OVER}::test_one_connection_serves_call_after_call",),
    ),
    Mutant(
        name="torn-is-an-end",
        promise="A torn connection is an error and no orderly end.",
        file=SOCKETS,
        old="if not received.waiting and received.error is not None:",
        new="if False:",
        tests=(f"{OVER}::test_each_end_is_told",),
    ),
    Mutant(
        name="last-piece-overlooked",
        promise="A piece that says why the model stopped gets a closer look.",
        file="activities/providers/stream_pieces.py",
        old=' or choice.get("finish_reason"):',
        new=":",
        tests=("tests/wire/test_stream_pieces.py::test_a_first_look_sees_what_a_closer_one_does",),
    ),
    Mutant(
        name="halves-of-characters-pass",
        promise="A text with half a surrogate pair is looked at value by value.",
        file="activities/providers/reply_body.py",
        old="return not halves and ",
        new="return ",
        tests=("tests/wire/test_stream_pieces.py::test_a_text_shows_whether_its_values_have_to_be_looked_at",),
    ),
)
