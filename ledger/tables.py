"""The ledger's tables. Money and token sums are 64-bit micro-dollars and counts; instants are UTC microseconds."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str, **options: object) -> Column[str]:
    return Column(name, Text, nullable=False, **options)  # type: ignore[arg-type]


def _big(name: str, default: int | None = None) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=None if default is None else str(default))


run = Table(
    "run",
    metadata,
    _text("trace", primary_key=True),
    _text("workflow_id"),
    _text("pipeline"),
    _text("project"),
    _text("owner"),
    _text("request_key"),
    _text("state"),
    _text("stage"),
    _text("waiting_for"),
    _text("next"),
    _text("input"),
    _text("pins"),
    _text("policy_digest"),
    _text("result"),
    _text("feed_hash"),
    _text("run_ids", server_default="[]"),
    _big("started_at"),
    _big("updated_at"),
    Column("ended_at", BigInteger),
    Index("ix_run_state_updated", "state", "updated_at"),
    Index("ix_run_workflow", "workflow_id"),
    Index("ix_run_ended", "project", "pipeline", "ended_at"),
    Index("uq_run_request", "project", "request_key", unique=True),
)

turn = Table(
    "turn",
    metadata,
    _text("id", primary_key=True),
    _text("parent"),
    _text("trace"),
    _text("path"),
    _text("agent"),
    _text("agent_digest"),
    _text("task"),
    _text("provider"),
    _text("model_asked"),
    _text("model_answered"),
    _text("reply"),
    _text("problem"),
    _text("handoff"),
    _big("tokens_in"),
    _big("tokens_out"),
    _big("tokens_cache_read"),
    _big("tokens_cache_write"),
    _big("tokens_reasoning"),
    _big("usd_micros"),
    _text("price_version"),
    _big("latency_ms"),
    Column("flagged", Boolean, nullable=False),
    Column("attempt", Integer, nullable=False),
    _text("trace_id"),
    _text("span_id"),
    _big("at"),
    Column("cached", Boolean, nullable=False, server_default=false()),
    _text("chosen", server_default="first"),
    Index("ix_turn_trace_path", "trace", "path"),
    Index("ix_turn_at", "at"),
)

tool_result = Table(
    "tool_result",
    metadata,
    _text("turn", primary_key=True),
    Column("position", Integer, primary_key=True),
    _text("name"),
    _text("arguments_digest"),
    _text("body"),
    Column("failed", Boolean, nullable=False),
    _text("effect"),
    _text("state_before"),
    _text("state_after"),
    Column("repeated", Boolean, nullable=False),
    _text("artifacts"),
    _big("latency_ms"),
    _big("at"),
)

scope = Table(
    "scope",
    metadata,
    _text("id", primary_key=True),
    _big("ceiling"),
    _big("spent", 0),
    _big("held", 0),
    _text("parent", server_default=text("''")),
    Column("closed_at", BigInteger),
    CheckConstraint("spent >= 0", name="spent"),
    CheckConstraint("held >= 0", name="held"),
    Index("ix_scope_parent", "parent", sqlite_where=text("parent <> ''"), postgresql_where=text("parent <> ''")),
)
"""`parent` names the run's scope of which this one is a child's slice; `closed_at` is when it was given back."""

reservation = Table(
    "reservation",
    metadata,
    _text("id", primary_key=True),
    _text("call_key"),
    _text("scopes"),
    _text("state"),
    _big("amount"),
    _big("settled", 0),
    _text("price_version"),
    _text("worker"),
    _big("at"),
    _text("trace", server_default=text("''")),
    _text("path", server_default=text("''")),
    _text("project", server_default=text("''")),
    _text("agent", server_default=text("''")),
    _text("model", server_default=text("''")),
    _text("error", server_default=text("''")),
    Column("closed_at", BigInteger),
    Index("ix_reservation_call_key", "call_key"),
    Index("ix_reservation_trace", "trace"),
    Index("ix_reservation_at", "at"),
    Index("ix_reservation_held", "at", sqlite_where=text("state = 'held'"), postgresql_where=text("state = 'held'")),
)

trip = Table(
    "trip",
    metadata,
    _text("trace", primary_key=True),
    _text("gate", primary_key=True),
    _text("scope"),
    _text("project"),
    _big("ceiling"),
    _big("spent"),
    _big("held"),
    _big("wanted"),
    _big("at"),
    Column("closed_at", BigInteger),
    _text("how", server_default=text("''")),
    _text("by", server_default=text("''")),
    Index("ix_trip_scope", "scope", "closed_at"),
)
"""A run that was parked by a ceiling: since when, and what let it go."""

ceiling_change = Table(
    "ceiling_change",
    metadata,
    _text("id", primary_key=True),
    _text("scope"),
    _big("before"),
    _big("after"),
    _text("by"),
    _text("why"),
    _text("channel"),
    _big("at"),
    Index("ix_ceiling_change_scope", "scope", "at"),
)
"""Who set a ceiling anew, from what to what, and why."""

breaker = Table(
    "breaker",
    metadata,
    _text("name", primary_key=True),
    _text("state"),
    _big("failures", 0),
    _big("window_at", 0),
    _big("opened_at", 0),
    _big("until", 0),
    _big("opened", 0),
    _text("reason"),
    _text("probe", server_default=text("''")),
    _big("probe_until", 0),
    _big("updated_at", 0),
)
"""A circuit breaker: `model:PROVIDER:NAME`, `provider:NAME` or `agent:NAME@VERSION`. No row: closed, nothing has failed."""

rate = Table(
    "rate",
    metadata,
    _text("name", primary_key=True),
    Column("window_at", BigInteger, primary_key=True, autoincrement=False),
    _big("requests", 0),
    _big("tokens", 0),
)
"""What was asked of a model in one minute."""

cached_reply = Table(
    "cached_reply",
    metadata,
    _text("digest", primary_key=True),
    _text("project"),
    _text("agent"),
    _text("provider"),
    _text("model_asked"),
    _text("reply"),
    _text("turn"),
    _big("at"),
    _big("expires_at"),
    Index("ix_cached_reply_expires", "expires_at"),
)
"""A reply that may answer an equal call again. `turn` is the one that it was paid for in."""

artifact = Table(
    "artifact",
    metadata,
    _text("sha256", primary_key=True),
    _big("size"),
    _text("media_type"),
    Column("body", LargeBinary),
    _text("location"),
    _big("at"),
)

seen = Table(
    "seen",
    metadata,
    _text("trace", primary_key=True),
    _text("path", primary_key=True),
    _text("artifact", primary_key=True),
    _text("name", primary_key=True),
    Column("untrusted", Boolean, nullable=False),
    _big("at"),
)

handoff = Table(
    "handoff",
    metadata,
    _text("id", primary_key=True),
    _text("trace"),
    _text("path"),
    _text("digest"),
    _text("contract"),
    _text("outcome"),
    _text("producer"),
    _text("body"),
    _big("at"),
    Index("ix_handoff_trace_path", "trace", "path"),
)

edge = Table(
    "edge",
    metadata,
    _text("child", primary_key=True),
    _text("relation", primary_key=True),
    _text("parent", primary_key=True),
    Index("ix_edge_parent", "parent"),
)

gate = Table(
    "gate",
    metadata,
    _text("trace", primary_key=True),
    _text("gate", primary_key=True),
    _text("kind"),
    Column("revision", Integer, nullable=False),
    _text("path"),
    _text("workflow_id"),
    _text("project"),
    _text("subject"),
    _text("policy_digest"),
    _text("view"),
    _text("intents"),
    _text("state"),
    _text("run_ids", server_default="[]"),
    _big("opened_at"),
    _big("deadline"),
    Column("closed_at", BigInteger),
    Index("ix_gate_open", "deadline", sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'")),
)

decision = Table(
    "decision",
    metadata,
    _text("id", primary_key=True),
    _text("trace"),
    _text("gate"),
    _text("verb"),
    _text("by"),
    _text("note"),
    _text("answers"),
    _text("subject"),
    _text("outcome"),
    _text("reason"),
    _text("via"),
    _text("channel"),
    Column("authenticated", Boolean, nullable=False),
    Column("nonce", Text),
    _big("at"),
    Index("ix_decision_gate", "trace", "gate"),
    Index(
        "uq_decision_won",
        "trace",
        "gate",
        unique=True,
        sqlite_where=text("outcome = 'won'"),
        postgresql_where=text("outcome = 'won'"),
    ),
    Index("uq_decision_nonce", "nonce", unique=True),
)

action = Table(
    "action",
    metadata,
    _text("key", primary_key=True),
    _text("type"),
    _text("trace"),
    _text("gate"),
    Column("order", Integer, nullable=False),
    _text("summary"),
    _text("arguments"),
    _text("arguments_digest"),
    _text("state"),
    _text("reason"),
    _text("receipt"),
    _text("lease_owner"),
    _big("lease_until", 0),
    _big("fence", 0),
    Column("attempts", Integer, nullable=False),
    _big("at"),
    _big("updated_at"),
    Index("ix_action_state", "state", "updated_at"),
    Index("ix_action_trace", "trace", "order"),
)

feed_head = Table("feed_head", metadata, Column("id", Integer, primary_key=True), _big("seq", 0))

feed = Table(
    "feed",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _text("key"),
    _text("trace"),
    _text("run"),
    _text("path"),
    _text("project"),
    _text("stage"),
    _text("actor"),
    _text("channel"),
    Column("authenticated", Boolean, nullable=False),
    _text("did"),
    _text("why"),
    _text("next"),
    _text("importance"),
    _text("inputs"),
    _text("outputs"),
    _big("tokens", 0),
    _big("usd_micros", 0),
    _text("trace_id"),
    _text("span_id"),
    _big("at"),
    _text("previous_hash"),
    _text("hash"),
    Index("uq_feed_key", "key", unique=True),
    Index("ix_feed_trace_seq", "trace", "seq"),
    Index("ix_feed_importance_seq", "importance", "seq"),
)

agent_version = Table(
    "agent_version",
    metadata,
    _text("name", primary_key=True),
    _text("version", primary_key=True),
    _text("digest", primary_key=True),
    _text("definition"),
    _big("at"),
)

compatibility = Table("compatibility", metadata, Column("id", Integer, primary_key=True), _text("oldest"))
"""One row: the oldest schema whose release may use this ledger. Written by migrations only."""

counter = Table("counter", metadata, _text("name", primary_key=True), _big("value"))

worker = Table(
    "worker",
    metadata,
    _text("id", primary_key=True),
    _text("about"),
    _big("started_at"),
    _big("seen_at"),
)
