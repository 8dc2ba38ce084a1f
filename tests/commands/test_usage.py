"""What a newcomer types wrong: each message says what, why and what to do, with its own exit code, and no traceback."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from sqlalchemy import update
from temporalio.service import RPCError, RPCStatusCode

import starter
from commands.errors import Code, explain
from commands.server import ROOT
from ledger import feed
from ledger.db import Ledger
from ledger.tables import run
from tests import children
from tests.commands.conftest import Baton, Begin
from tests.ledger import samples
from tests.stack import git

PROMISED = (
    *("up", "down", "demo", "deliver", "runs", "show", "gates", "approve", "reject", "request-changes", "answer", "feed"),
    *("why", "pause", "resume", "cancel", "result", "doctor", "contracts", "agents"),
    *("spend", "figures", "budget", "models", "context"),
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository without a commit."""
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "--quiet")
    return folder


def test_help_lists_every_promised_command(baton: Baton) -> None:
    """`baton --help` shows all commands and what exit codes mean."""
    ran = baton("--help")
    assert ran.code == 0
    assert [name for name in PROMISED if not re.search(rf"^\W*{name} ", ran.out, re.MULTILINE)] == []
    assert "7 no worker" in " ".join(ran.out.split())


def test_every_command_takes_json() -> None:
    """There is no command without `--json`, but for what only `baton up` starts."""
    group = typer.main.get_command(starter.assemble())
    commands = dict(group.commands)  # type: ignore[attr-defined]
    for group in [name for name, one in commands.items() if hasattr(one, "commands")]:
        commands |= {f"{group} {name}": one for name, one in commands.pop(group).commands.items()}
    shown = {name: one for name, one in commands.items() if not one.hidden}
    without = [name for name, one in shown.items() if not any("--json" in option.opts for option in one.params)]
    assert without == []


def test_a_misspelt_command_is_answered_with_the_near_one(baton: Baton) -> None:
    """`baton delivr` asks whether deliver was meant, and exits with 2."""
    ran = baton("delivr")
    assert ran.code == 2
    assert "'deliver'" in ran.err
    assert "Traceback" not in ran.err


def test_without_a_command_the_list_is_shown(baton: Baton) -> None:
    """`baton` alone lists the commands and exits with 2; nothing was asked for."""
    ran = baton()
    assert ran.code == 2
    assert "deliver" in ran.out
    assert "no command given" in ran.err


def test_stopping_what_does_not_run_says_so(baton: Baton) -> None:
    """`baton down` with nothing of ours running: exit 0."""
    ran = baton("down")
    assert (ran.code, ran.out.strip()) == (0, "nothing was running")


def test_a_missing_option_is_named(baton: Baton) -> None:
    """`baton deliver` alone names the first option that it needs, and where to read more."""
    ran = baton("deliver")
    assert ran.code == 2
    assert "--repository" in ran.err
    assert "baton deliver --help" in ran.err


WRONG = [
    (("--instruction", ""), "--instruction is empty: it has to say something"),
    (("--instruction", "x" * 20_001), "--instruction: String should have at most 20000 characters"),
    (("--ceiling-usd", "-1"), "--ceiling-usd: Input should be greater than 0"),
    (("--ceiling-usd", "five"), "--ceiling-usd: Input should be a valid decimal"),
    (("--rework", "99"), "--rework: Input should be less than or equal to 10"),
    (("--project", "my project"), "--project: String should match pattern"),
    (("--environment", "no-such-venv"), "--environment: there is no folder"),
    (("--instruction", "\U0001f600" * 17_000), "the input has"),
    (("--rework", "many"), "--rework"),
    (("--effort", "some"), "--effort: Input should be 'full' or 'auto'"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=[f"{one[0][0]}-{at}" for at, one in enumerate(WRONG)])
def test_wrong_delivery_input_names_field_and_flag(
    baton: Baton, repository: Path, options: tuple[str, str], message: str
) -> None:
    """A wrong value is refused before anything is started or written, naming the flag it was typed with."""
    typed = {"--instruction": "Fix it"} | {options[0]: options[1]}
    ran = baton("deliver", "--repository", str(repository), *(part for pair in typed.items() for part in pair))
    assert ran.code == 2
    assert message in ran.err
    assert not baton.state.exists()


def test_a_repository_that_is_not_there_is_an_error_before_the_start(baton: Baton) -> None:
    """A local path without a folder: exit 2, the whole path in the message, nothing written."""
    ran = baton("deliver", "-r", "no/such/shop", "-i", "Fix it")
    assert ran.code == 2
    assert f"there is no folder {baton.folder}/no/such/shop" in ran.err
    assert "or a URL" in ran.err
    assert not baton.state.exists()


def test_a_folder_that_is_no_repository_says_how_to_make_it_one(baton: Baton) -> None:
    """A plain folder: exit 2 and `git init`."""
    ran = baton("deliver", "-r", ".", "-i", "Fix it")
    assert ran.code == 2
    assert "is not a git repository" in ran.err
    assert "git init" in ran.err


def test_without_temporal_the_way_out_is_named(baton: Baton, repository: Path) -> None:
    """Nothing listens: exit 6, the address that was tried, and `baton up`."""
    ran = baton("deliver", "-r", str(repository), "-i", "Fix it")
    assert ran.code == 6
    assert "Temporal at 127.0.0.1:1 cannot be reached (nothing listens there)" in ran.err
    assert "baton up" in ran.err


def test_a_broken_temporal_profile_is_a_configuration_error(baton: Baton, repository: Path) -> None:
    """A temporal.toml that is not TOML: exit 2, said as such."""
    (baton.folder / "temporal.toml").write_text("address =")
    baton.set(TEMPORAL_CONFIG_FILE=baton.folder / "temporal.toml")
    ran = baton("deliver", "-r", str(repository), "-i", "Fix it")
    assert ran.code == 2
    assert "Temporal's settings cannot be read" in ran.err


@pytest.mark.parametrize("address", ["127.0.0.1", "http://127.0.0.1:7233", "temporal.example.org", "host:port"])
def test_an_address_in_another_form_is_refused(baton: Baton, repository: Path, address: str) -> None:
    """Without a port, or with a scheme: exit 2 and the form that is wanted, not "nothing listens there"."""
    baton.set(TEMPORAL_ADDRESS=address)
    ran = baton("deliver", "-r", str(repository), "-i", "Fix it")
    assert (ran.code, f"the address of Temporal is {address!r}, and HOST:PORT is wanted" in ran.err) == (2, True), ran.err


def test_an_unknown_variable_is_refused_by_name(baton: Baton) -> None:
    """BATON_STATTE is a misspelling, not a setting."""
    baton.set(BATON_STATTE="x")
    ran = baton("runs")
    assert ran.code == 2
    assert "unknown setting BATON_STATTE" in ran.err


def test_an_unknown_key_in_the_file_is_refused_by_name(baton: Baton) -> None:
    """baton.toml is read strictly."""
    (baton.folder / "baton.toml").write_text('modell = "openai:x"\n')
    ran = baton("runs")
    assert ran.code == 2
    assert "modell" in ran.err
    assert "baton.toml" in ran.err


def test_a_database_that_does_not_answer_is_unreachable(baton: Baton) -> None:
    """A ledger server that is not there: exit 6, the reason, and no password in the text."""
    baton.set(BATON_LEDGER_URL="postgresql+psycopg://baton:s3cret@127.0.0.1:1/baton")
    ran = baton("runs")
    assert ran.code == 6
    assert "the ledger cannot be used" in ran.err
    assert "s3cret" not in ran.err


def test_json_errors_are_documents_too(baton: Baton) -> None:
    """With `--json` a script gets one document on stdout for an error as well."""
    ran = baton("show", "nothing", "--json")
    assert ran.code == 3
    assert ran.json["error"]["code"] == 3
    assert ran.json["error"]["text"] in ran.err


def test_an_unexpected_error_is_one_line_and_a_file(baton: Baton, ledger: Ledger, begin: Begin, tmp_path: Path) -> None:
    """What nobody foresaw, here a row that somebody spoiled: one line and where the details are; --debug shows them."""
    begin()
    ledger.tx_now(lambda connection: connection.execute(update(run).values(input="spoiled")))
    ran = baton.process("runs", TMPDIR=str(tmp_path))
    assert ran.code == 1
    *asides, line = ran.err.splitlines()
    assert [aside.split(":")[0] for aside in asides] == ["Temporal could not be asked, so this is what the ledger knows"]
    details = re.search(r"Details are in (\S+);", line)
    assert details is not None
    assert "Traceback" in Path(details[1]).read_text()
    assert "Traceback" in baton.process("--debug", "runs").err


def test_interrupting_is_exit_130(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """Ctrl-C while following ends the watching at once, with 130 and no traceback."""
    begin()
    command = [sys.executable, str(ROOT / "starter.py"), "feed", "--follow", "--jsonl"]
    ledger.tx_now(feed.append, samples.ref(), [samples.note("one")])
    with children.started(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert '"did one"' in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=children.PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_a_reader_that_stops_early_causes_no_noise() -> None:
    """`baton contracts | true` prints no traceback: nobody reads, and that is fine."""
    command = f"set -o pipefail; {sys.executable} {ROOT / 'starter.py'} contracts --json | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=children.PATIENCE, check=False)
    assert done.returncode in {0, 141}
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr


def test_no_color_is_honoured_on_a_terminal(baton: Baton, begin: Begin) -> None:
    """On a terminal tables have colour; with NO_COLOR nothing but text and layout is sent."""
    begin()
    assert "\x1b[1m" in baton.process("runs", typed=(), COLUMNS="200").out
    assert re.search(r"\x1b\[[0-9;]*3[0-7]m", baton.process("runs", typed=(), NO_COLOR="1", COLUMNS="200").out) is None


def test_in_a_pipe_there_is_no_escape_sequence(baton: Baton, begin: Begin) -> None:
    """Plain lines only, whatever TERM and the force variables of the shell say."""
    begin()
    assert "\x1b" not in baton.process("runs", TERM="xterm-256color").out


def test_a_run_that_takes_nothing_for_now_is_no_fault_of_ours() -> None:
    """Temporal refuses updates for a run whose last task timed out: nothing was sent, and what helps is a worker."""
    said = "Unable to perform workflow execution update due to Workflow Task in failed state."
    code, text = explain(RPCError(said, RPCStatusCode.FAILED_PRECONDITION, b""))
    assert code == Code.NO_WORKER
    assert text.startswith("Temporal takes nothing for this run now, and nothing was sent")
    assert "try again" in text
