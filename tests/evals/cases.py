"""What all evaluation cases have in common: how one is read, and what is made of the judgements on a real model."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")

ENOUGH = 0.75
"""Share of the cases that a model has to meet."""


def case_of(path: Path) -> dict[str, Any]:
    """One case."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def measured(judgements: Mapping[str, str]) -> None:
    """Print why each case was failed, and fail if too many were. A judgement of "" is a case that was met."""
    failed = {name: why for name, why in judgements.items() if why}
    for name, why in failed.items():
        print(f"{name}: {why}")
    met = len(judgements) - len(failed)
    print(f"{met} of {len(judgements)} cases met")
    assert met >= ENOUGH * len(judgements), failed
