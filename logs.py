"""Logs: structlog over the standard library. One sentence per line, with the run it is about; no message bodies at info."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.types import Processor
from temporalio import activity, workflow

QUIET = ("anthropic", "openai", "httpx2", "httpcore2", "alembic", "asyncio")
"""Libraries whose lines below warning say nothing about our work, or print request bodies."""


def configure(log_format: str, level: str) -> None:
    """Send every log line of this process to stderr: JSON, or readable on a terminal. Safe to call twice.

    `log_format` is auto, json or pretty; auto is pretty where stderr is a terminal. `level` in any case.
    """
    pretty = log_format == "pretty" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Processor = structlog.dev.ConsoleRenderer(colors=True) if pretty else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, from_temporal],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    # Replaced and not added: a second call, or a library's own handler, would print every line twice.
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Temporal's adapters would append a dict to the sentence; `from_temporal` turns it into fields instead.
    for logger in (workflow.logger, activity.logger):
        # Each adapter has only its own two.
        for setting in (
            "workflow_info_on_message",
            "activity_info_on_message",
            "full_workflow_info_on_extra",
            "full_activity_info_on_extra",
        ):
            if hasattr(logger, setting):
                setattr(logger, setting, False)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def from_temporal(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add fields for the workflow or activity that a line of Temporal's loggers comes from: run, run_id, attempt, activity."""
    record = event.get("_record")
    for name in ("temporal_workflow", "temporal_activity"):
        known = getattr(record, name, None)
        if isinstance(known, dict):
            event["run"] = known.get("workflow_id", "")
            event["run_id"] = known.get("run_id", known.get("workflow_run_id", ""))
            event["attempt"] = known.get("attempt")
            if "activity_type" in known:
                event["activity"] = known["activity_type"]
    return event


def log() -> structlog.stdlib.BoundLogger:
    """Baton's logger, for code outside workflows. Workflows use `workflow.logger`, which stays silent on replay."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("baton")
    return logger
