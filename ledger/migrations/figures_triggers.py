"""The triggers that mark a run family whose figures have changed, as migration 0023 makes them.

Triggers, because what is kept has to equal the rows whoever writes them: another release beside this one, a correction by hand.
Never changed: a later migration makes its own.
"""

from sqlalchemy import Connection, text

COLUMNS = {
    "run": "trace workflow_id pipeline project state ended_at",
    "reservation": "id trace call_key path project agent model error state amount settled at",
    "turn": (
        "id parent trace path agent model_asked usd_micros flagged problem tokens_in tokens_out tokens_cache_read "
        "tokens_cache_write tokens_reasoning latency_ms cached chosen at"
    ),
    "tool_result": "turn name failed",
    "handoff": "id trace path digest outcome at body",
    "gate": "trace path kind revision subject state",
}
"""What figures read of each table. A change of anything else marks nothing."""


def make(connection: Connection) -> None:
    """Make them on this database."""
    if connection.dialect.name == "postgresql":
        _on_postgresql(connection)
    else:
        _on_sqlite(connection)


def _family(table: str, row: str) -> str:
    """The trace of the family that a row is of, as an expression."""
    of_turn = "(SELECT trace FROM {turn} WHERE id = {row}.{key})"
    if table == "tool_result":
        return of_turn.format(turn="{schema}turn", row=row, key="turn")
    if table == "reservation":
        # Releases that did not record the run: by its answer.
        answered = of_turn.format(turn="{schema}turn", row=row, key="call_key")
        return f"CASE WHEN {row}.trace <> '' THEN {row}.trace ELSE {answered} END"
    return f"{row}.trace"


def _on_sqlite(connection: Connection) -> None:
    for table, columns in COLUMNS.items():
        names = columns.split()
        differs = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in names)
        events = {
            "insert": ("INSERT", "", ("NEW",)),
            "update": (f"UPDATE OF {', '.join(names)}", f"WHEN {differs} ", ("OLD", "NEW")),
            "delete": ("DELETE", "", ("OLD",)),
        }
        for event, (when, condition, rows) in events.items():
            marks = " ".join(_mark(_family(table, row).format(schema="")) for row in rows)
            made = f"CREATE TRIGGER figures_{table}_{event} AFTER {when} ON {table} {condition}BEGIN {marks} END"
            connection.execute(text(made))


def _mark(family: str) -> str:
    there = "EXISTS (SELECT 1 FROM figures_changed AS there WHERE there.trace = one.trace)"
    one = f"(SELECT {family} AS trace) AS one"
    return f"INSERT INTO figures_changed (trace, nth) SELECT one.trace, 0 FROM {one} WHERE one.trace <> '' AND NOT {there};"  # noqa: S608 - names of our own


_MARK = """
  IF family IS NULL OR family = '' THEN
    RETURN NULL;
  END IF;
  -- Shared until the commit: whoever keeps the figures of this family takes it alone, and would not see this change yet.
  PERFORM pg_advisory_xact_lock_shared(7120452, hashtext(family));
  IF NOT EXISTS (SELECT FROM {schema}figures_changed WHERE trace = family) THEN
    INSERT INTO {schema}figures_changed (trace, nth) VALUES (family, pg_backend_pid()) ON CONFLICT DO NOTHING;
  END IF;"""

_FUNCTION = """
CREATE FUNCTION {schema}figures_change(family text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  {mark}
  RETURN NULL;
END $$
"""

_TRIGGER = """
CREATE FUNCTION {schema}figures_change_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  family text;
  other text;
BEGIN
  IF TG_OP = 'DELETE' THEN
    family := {old};
  ELSE
    family := {new};
  END IF;
  IF TG_OP = 'UPDATE' THEN
    other := {old};
    IF other IS DISTINCT FROM family THEN
      PERFORM {schema}figures_change(other);
    END IF;
  END IF;
  {mark}
  RETURN NULL;
END $$
"""


def _on_postgresql(connection: Connection) -> None:
    # With the schema's name: a session of a person may look in others first.
    schema = connection.execute(text("SELECT quote_ident(current_schema())")).scalar_one() + "."
    driver = connection.exec_driver_sql
    marked = _MARK.format(schema=schema)
    driver(_FUNCTION.format(schema=schema, mark=marked))
    for table, columns in COLUMNS.items():
        names = columns.split()
        old, new = (_family(table, row).format(schema=schema) for row in ("OLD", "NEW"))
        # The mark is written into each: a call of another function takes as long as the rest.
        driver(_TRIGGER.format(schema=schema, table=table, old=old, new=new, mark=marked))
        differs = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in names)
        act = f"FOR EACH ROW EXECUTE FUNCTION {schema}figures_change_{table}()"
        driver(f"CREATE TRIGGER figures_{table}_row AFTER INSERT OR DELETE ON {schema}{table} {act}")
        where = f"ON {schema}{table} FOR EACH ROW WHEN ({differs}) EXECUTE FUNCTION {schema}figures_change_{table}()"
        driver(f"CREATE TRIGGER figures_{table}_update AFTER UPDATE OF {', '.join(names)} {where}")
