"""`baton diagnose` as it is typed: services on the command line and in a file, and each way in which they can be wrong."""

from pathlib import Path
from typing import Any

import pytest

from commands.errors import Usage
from commands.start.start import checked
from contracts.diagnosis import DiagnosisReport
from contracts.diagnosis_forms import markdown
from contracts.diagnosis_input import DiagnosisInput
from contracts.pipelines import BY_WORKFLOW

SPEC = BY_WORKFLOW["Diagnosis"]
FILE = """
[shop]
logs = ["logs/*.log", "logs:shop"]
config = ["shop.ini"]
depends_on = ["stock"]

[stock]
logs = ["/var/log/stock.log"]
"""


def typed(*services: str, **more: Any) -> DiagnosisInput:
    """The input of what was typed."""
    asked = checked(SPEC, {"services": list(services), **more})
    assert isinstance(asked, DiagnosisInput)
    return asked


def test_services_are_typed_or_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths become absolute: from the current folder, or from that of the file. Times without a zone are UTC."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "services.toml").write_text(FILE)
    asked = typed(f"@{tmp_path}/services.toml", "pay=pay/*.log, logs:pay", since="2026-11-30T08:00")
    logs = {one.name: one.logs for one in asked.services}
    assert logs == {
        "shop": (f"{tmp_path}/logs/*.log", "logs:shop"),
        "stock": ("/var/log/stock.log",),
        "pay": (f"{tmp_path}/pay/*.log", "logs:pay"),
    }
    assert asked.named("shop").config == (f"{tmp_path}/shop.ini",)
    assert asked.since is not None
    assert asked.since.isoformat() == "2026-11-30T08:00:00+00:00"
    assert (asked.label(), asked.asks()) == ("shop", "diagnose shop, stock, pay")


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ("shop", "NAME=LOGS"),
        ("shop=", "NAME=LOGS"),
        ("Shop=/a.log", "--service.0.name"),
        ("@none.toml", "no file"),
        ("@broken.toml", "cannot be read as TOML"),
        ("@empty.toml", "a table [NAME]"),
        ("@flat.toml", "it has logs"),
        ("@unknown.toml", "--service.0.log"),
    ],
)
def test_what_is_typed_wrongly_is_said(service: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the option as it is typed, and before anything is started."""
    monkeypatch.chdir(tmp_path)
    files = {"broken": "[shop", "empty": "", "flat": 'logs = ["a.log"]', "unknown": '[shop]\nlog = ["a.log"]\nlogs = ["a.log"]'}
    for name, text in files.items():
        (tmp_path / f"{name}.toml").write_text(text)
    with pytest.raises(Usage) as refused:
        typed(service)
    assert said in str(refused.value)
    assert "--service" in str(refused.value)


def test_markdown_calls_nobody() -> None:
    """What a log says becomes neither a link nor a mention."""
    report = DiagnosisReport.model_validate(
        {
            "run": "diagnose-shop-0001",
            "trace": "t",
            "state": "done",
            "roots": ["shop"],
            "summary": "@maria <img src=x> [here](http://evil.test)",
            "degraded": ["weigh/1: x"],
            "services": [{"service": "shop", "state": "faulty", "cause": "# @all `x`"}],
        }
    )
    text = markdown(report)
    assert text.startswith("## Diagnosis: `shop`\n")
    for wanted in ("**Degraded:", "### shop: faulty"):
        assert wanted in text
    for refused in (" <img", "](http:", "\n# @all"):
        assert refused not in text
