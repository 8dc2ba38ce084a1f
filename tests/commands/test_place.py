"""Where Baton lives: the state folder, contexts, paths as people write them, and what is said where a folder cannot be used."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main

import places
import starter
from commands import processes
from config import load
from tests import ledgers
from tests.commands.conftest import Baton, Begin
from tests.stack import git

Variables = Callable[..., None]


@pytest.fixture
def home(baton: Baton, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user who has set nothing."""
    for name in ("BATON_STATE", "TEMPORAL_ADDRESS", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    folder.mkdir()
    baton.set(HOME=folder)
    return folder


def in_force(baton: Baton, *more: str) -> dict[str, str]:
    """What `baton context show` says is in force."""
    ran = baton("context", "show", "--json", *more)
    assert ran.code == 0, ran.err
    return {name: str(value) for name, value in ran.json.items()}


def test_there_is_one_state_folder_per_user(baton: Baton, home: Path) -> None:
    """Whatever folder a command is called in, without a word from the user: the one below the home, as XDG says."""
    assert in_force(baton)["state"] == str(home / ".local" / "state" / "baton")
    baton.set(XDG_STATE_HOME="/var/lib/people/maria")
    assert in_force(baton)["state"] == "/var/lib/people/maria/baton"
    baton.set(XDG_STATE_HOME="relative/is/ignored")
    assert in_force(baton)["state"] == str(home / ".local" / "state" / "baton")


def test_looking_writes_nothing_into_a_repository(baton: Baton, home: Path) -> None:
    """A command that only looks makes no folder, neither where it is called nor in the user's home."""
    assert [baton(name).code for name in ("runs", "gates", "doctor", "down")] == [0, 0, 1, 0]
    assert list(baton.folder.iterdir()) == list(home.iterdir()) == []


def test_a_new_state_folder_is_for_its_user_alone(baton: Baton, home: Path, tmp_path: Path) -> None:
    """What holds prompts and code is readable by nobody else, nor are the folders that were made on the way to it."""
    git(tmp_path, "init", "--quiet", "shop")
    baton.set(TEMPORAL_ADDRESS="127.0.0.1:1")
    assert baton("deliver", "-r", str(tmp_path / "shop"), "-i", "Fix it").code == 6
    made = [home / ".local", home / ".local" / "state", home / ".local" / "state" / "baton"]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in made] == [0o700] * 3
    assert list(baton.folder.iterdir()) == []


@pytest.mark.parametrize("written", ["~/kept", "~root/kept"])
def test_a_home_is_meant_wherever_a_path_begins_with_one(baton: Baton, home: Path, written: str) -> None:
    """No shell stands between a unit file, or baton.toml, and a setting: `~` is a home all the same."""
    meant = str(Path(written).expanduser())
    baton.set(BATON_STATE=written)
    assert in_force(baton)["state"] == meant
    baton.set(BATON_STATE=str(home))
    Path("baton.toml").write_text(f'state = "{written}"\nledger_url_file = "{written}/url"\n')
    ran = baton("runs")
    assert (ran.code, f"the secret file {meant}/url" in ran.err) == (2, True), ran.err
    Path("baton.toml").write_text(f'[folders.handbook]\npath = "{written}"\n')

    assert str(load().folders["handbook"].path) == meant


def test_a_home_that_is_not_known_is_said(baton: Baton, home: Path) -> None:
    """`~somebody` who has no account here: exit 2 and what to write, in a setting and as a repository."""
    baton.set(BATON_STATE="~nobody-of-this-name/state")
    ran = baton("runs")
    assert (ran.code, "nobody-of-this-name is not known; write the whole path" in ran.err) == (2, True), ran.err
    baton.set(BATON_STATE=home)
    ran = baton("deliver", "-r", "~nobody-of-this-name/shop", "-i", "Fix it")
    assert (ran.code, "--repository: ~nobody-of-this-name/shop begins with ~" in ran.err) == (2, True), ran.err


@pytest.mark.parametrize("written", ["$HOME/baton", "${HOME}/baton", "$XDG_STATE_HOME"])
def test_a_variable_that_no_shell_has_replaced_is_refused(baton: Baton, home: Path, written: str) -> None:
    """In a unit file or an env file it stays as it is: it is no folder below the working folder. In a path it is a name."""
    shop, said = str(home), "which only a shell replaces; write the whole path, or begin with ~"
    for setting in ("BATON_STATE", "BATON_POLICY", "BATON_LEDGER_URL"):
        ran = baton.process("runs", **{"BATON_STATE": shop, setting: f"sqlite:///{written}" if "URL" in setting else written})
        assert (ran.code, said in ran.err) == (2, True), ran.err
    for typed in (("deliver", "-r", written, "-i", "Fix it"), ("context", "add", "new", "--state", written)):
        ran = baton(*typed)
        assert (ran.code, said in ran.err) == (2, True), ran.err
    baton.set(BATON_STATE=home / "$HOME")
    assert in_force(baton)["state"] == str(home / "$HOME")


def test_an_empty_variable_sets_nothing(baton: Baton, home: Path) -> None:
    """`BATON_STATE=` is no state in whatever folder the command is called in."""
    baton.set(BATON_STATE="", BATON_AGENTS="", BATON_POLICY="")
    assert in_force(baton)["state"] == str(home / ".local" / "state" / "baton")
    assert baton("agents", "list").code == 0
    assert load().policy.is_file()


@pytest.mark.parametrize(("written", "meant"), [("~/own.db", "home/own.db"), ("own.db?timeout=5", "here/own.db?timeout=5")])
def test_the_file_of_a_ledger_is_whole(baton: Baton, home: Path, tmp_path: Path, written: str, meant: str) -> None:
    """A home is replaced, and a relative one is told whole; a context keeps it as it was meant where it was added."""
    baton.set(BATON_LEDGER_URL=f"sqlite:///{written}")
    assert load().database == f"sqlite:///{tmp_path / meant}"
    assert f"no ledger at {tmp_path / meant.partition('?')[0]}" in baton("runs").err
    added = baton("context", "add", "own", "--ledger-url", f"sqlite:///{written}", "--json")
    assert added.json["ledger"] == f"sqlite:///{tmp_path / meant}"


def test_a_working_folder_that_was_removed_is_said(baton: Baton, home: Path, tmp_path: Path) -> None:
    """What is relative to it is refused with what to do, and nothing else is any trouble."""
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    for relative in (("deliver", "-r", ".", "-i", "Fix it"), ("context", "add", "new", "--state", "state")):
        ran = baton(*relative)
        assert (ran.code, "is relative, and the working folder was removed" in ran.err) == (2, True), ran.err
    assert baton("runs").code == 0
    baton.set(BATON_STATE="state")
    ran = baton("runs")
    assert (ran.code, "state is relative, and the working folder was removed" in ran.err) == (2, True), ran.err


def test_a_user_without_a_home_is_told_what_to_set(baton: Baton, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No HOME and no account, as in a container under any number: exit 2 and the two ways out, each of which works."""

    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", nobody)
    for command in (("runs",), ("up",), ("context", "list")):
        ran = baton(*command)
        if command[0] != "context":  # where there is no home, no contexts are kept, and that is no error
            assert (ran.code, "has no home folder" in ran.err, "BATON_STATE=FOLDER" in ran.err) == (2, True, True), ran.err
            assert f"uid-{os.geteuid()}" in ran.err
        assert "unexpected" not in ran.err
    baton.set(BATON_STATE=home / "state")
    assert baton("runs").code == 0
    monkeypatch.delenv("BATON_STATE")
    baton.set(HOME=home)
    assert baton("runs").code == 0


def _a_file(place: Path) -> None:
    place.write_text("not a folder")


def _below_a_file(place: Path) -> None:
    place.parent.rmdir()
    place.parent.write_text("not a folder")


def _a_dangling_link(place: Path) -> None:
    place.symlink_to("/nowhere/at/all")


SPOILT = {
    "a file": (_a_file, "is a file. Move it away"),
    "below a file": (_below_a_file, "is a file. Move it away"),
    "a dangling link": (_a_dangling_link, "is a link to /nowhere/at/all, which is not there"),
}


@pytest.mark.parametrize("kind", SPOILT)
@pytest.mark.parametrize("command", [("runs",), ("up",), ("demo",), ("gates", "--json")], ids=lambda one: one[0])
def test_a_state_folder_that_cannot_be_used_is_named(baton: Baton, tmp_path: Path, kind: str, command: tuple[str, ...]) -> None:
    """Exit 2 with the folder, what is wrong with it and what to do; nothing unexpected, and nothing started."""
    spoil, said = SPOILT[kind]
    place = tmp_path / "odd" / "state"
    place.parent.mkdir()
    spoil(place)
    baton.set(BATON_STATE=place)
    ran = baton(*command)
    assert ran.code == 2, ran.err
    assert str(place) in ran.err
    assert said in ran.err
    assert "BATON_STATE=FOLDER" in ran.err
    assert "unexpected" not in ran.err


def test_every_command_takes_a_context() -> None:
    """There is no command, in no group, without `--context`."""
    group = typer.main.get_command(starter.assemble())
    commands = dict(group.commands)  # type: ignore[attr-defined]
    for group in [name for name, one in commands.items() if hasattr(one, "commands")]:
        commands |= {f"{group} {name}": one for name, one in commands.pop(group).commands.items()}
    assert len(commands) > 30
    assert [name for name, one in commands.items() if not any("--context" in option.opts for option in one.params)] == []


def test_a_context_is_a_state_folder_and_its_addresses(baton: Baton, home: Path) -> None:
    """Added, used, shown and removed by its name; what it sets is in force in each way of naming it."""
    added = baton("context", "add", "team", "--temporal", "temporal.example.org:7233", "--namespace", "baton", "--json")
    assert added.code == 0, added.err
    assert added.json["state"] == str(home / ".local" / "state" / "baton-team")
    for more in (("--context", "team"), ()):
        there = in_force(baton, *more)
        assert (there["context"], there["temporal"], there["namespace"]) == ("team", "temporal.example.org:7233", "baton")
        assert there["state"] == added.json["state"]
        assert there["ledger"] == f"sqlite:///{added.json['state']}/ledger.db"
        assert baton("context", "use", "team").code == 0
    listed = {one["name"]: one["in_force"] for one in baton("context", "list", "--json").json["contexts"]}
    assert listed == {"default": False, "team": True}
    removed = baton("context", "remove", "team")
    assert (removed.code, "its state stays in" in removed.out, "it was in use" in removed.err) == (0, True, True)
    assert in_force(baton)["context"] == "default"


def test_what_names_a_context_says_what_comes_before_it(baton: Baton, home: Path) -> None:
    """In use: after baton.toml. BATON_CONTEXT: after the other variables. `--context`: before everything."""
    for name in ("one", "two", "three"):
        assert baton("context", "add", name, "--state", f"/of/{name}", "--temporal", f"{name}:1").code == 0
    assert baton("context", "use", "one").code == 0
    assert in_force(baton)["state"] == "/of/one"
    Path("baton.toml").write_text('state = "/of/file"\n')
    assert (in_force(baton)["state"], in_force(baton)["temporal"]) == ("/of/file", "one:1")
    baton.set(BATON_CONTEXT="two")
    assert (in_force(baton)["state"], in_force(baton)["named_by"]) == ("/of/two", "environment")
    baton.set(BATON_STATE="/of/variable", BATON_LEDGER_URL="sqlite:////of/variable.db", TEMPORAL_ADDRESS="variable:1")
    there = in_force(baton)
    assert (there["state"], there["ledger"], there["temporal"]) == ("/of/variable", "sqlite:////of/variable.db", "variable:1")
    there = in_force(baton, "--context", "three")
    assert (there["state"], there["ledger"], there["temporal"]) == ("/of/three", "sqlite:////of/three/ledger.db", "three:1")
    before = baton("--context", "three", "context", "show", "--json").json
    assert before["state"] == "/of/three"
    assert in_force(baton)["state"] == "/of/variable", "a flag is for one command"


def test_credentials_of_another_server_do_not_go_to_a_contexts(baton: Baton, home: Path) -> None:
    """The key of the variables and of the default profile is not sent to an address that a context names."""
    import connection
    import contexts

    profiles = home / "temporal.toml"
    profiles.write_text(
        '[profile.default]\naddress = "cloud:7233"\napi_key = "secret"\n[profile.team]\naddress = "own:7233"\napi_key = "own"\n'
    )
    baton.set(TEMPORAL_CONFIG_FILE=profiles, TEMPORAL_API_KEY="secret-too")
    assert baton("context", "add", "plain", "--temporal", "elsewhere:7233").code == 0
    assert baton("context", "add", "team", "--profile", "team").code == 0
    try:
        contexts.choose("plain")
        assert connection.profile() == {"target_host": "elsewhere:7233", "tls": False}
        contexts.choose("team")
        assert (connection.profile()["target_host"], connection.profile()["api_key"]) == ("own:7233", "own")
    finally:
        contexts.choose("")
    assert connection.profile()["api_key"] == "secret-too"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("add", "default"), "cannot be a context's name"),
        (("add", "Über"), "cannot be a context's name"),
        (("add", "known"), "there is a context known already"),
        (("add", "new", "--temporal", "no-port"), "is not HOST:PORT"),
        (("add", "new", "--temporal", "http://host:1"), "is not HOST:PORT"),
        (("add", "new", "--ledger-url", "a", "--ledger-url-file", "b"), "name two ledgers"),
        (("use", "misspelt"), "there is no context 'misspelt'; there are: default, known"),
        (("remove", "misspelt"), "there is no context 'misspelt'"),
        (("remove", "default"), "cannot be removed"),
        (("show", "misspelt"), "there is no context 'misspelt'"),
        (("show", "--context", "misspelt"), "there is no context 'misspelt'"),
    ],
)
def test_a_wrong_context_is_refused(baton: Baton, home: Path, typed: tuple[str, ...], said: str) -> None:
    """Exit 2 with what is wrong; nothing is changed."""
    assert baton("context", "add", "known").code == 0
    before = (home / ".config" / "baton" / "contexts.json").read_bytes()
    ran = baton("context", *typed)
    assert (ran.code, said in ran.err) == (2, True), ran.err
    assert (home / ".config" / "baton" / "contexts.json").read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"use": "gone", "contexts": {}}', '{"contexts": {"a": 1}, "use": "a"}'])
def test_a_spoilt_file_of_contexts_is_named(baton: Baton, home: Path, text: str) -> None:
    """Exit 2 from every command that needs to know where it works, with the file and what to do."""
    (home / ".config" / "baton").mkdir(parents=True)
    (home / ".config" / "baton" / "contexts.json").write_text(text)
    ran = baton("runs")
    assert ran.code == 2, ran.err
    assert "context" in ran.err
    assert "unexpected" not in ran.err


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://maria:hunter2@db.example.org/baton", "maria:***@db.example.org"),
        ("postgresql://maria@db.example.org/baton?password=hunter2", "maria@db.example.org"),
        ("postgres://maria:it%3Ahunter2@db.example.org/baton", "maria:***@db.example.org"),
    ],
)
def test_a_password_of_a_contexts_ledger_is_not_shown(baton: Baton, home: Path, url: str, shown: str) -> None:
    """Neither by add, show or list, wherever it stands; the file that holds it is for its user alone."""
    said = [
        baton("context", "add", "pg", "--ledger-url", url, "--json"),
        baton("context", "show", "pg"),
        baton("context", "list"),
    ]
    said.append(baton("context", "show", "--context", "pg"))
    assert [one.code for one in said] == [0, 0, 0, 0]
    assert [one for one in said if "hunter2" in one.out + one.err] == []
    assert all(shown in one.out for one in said)
    kept = home / ".config" / "baton" / "contexts.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())["contexts"]["pg"]["ledger_url"] == url


@pytest.mark.parametrize("url", ["mysql://maria:hunter2@db/baton", "host=db password=hunter2", "postgresql://m:hunter2@db:x/b"])
def test_a_context_whose_ledger_is_not_understood_is_refused(baton: Baton, home: Path, url: str) -> None:
    """Exit 2 when it is added, with the forms that are taken; nothing is kept."""
    ran = baton("context", "add", "pg", "--ledger-url", url)
    assert (ran.code, "write sqlite:////" in ran.err, "hunter2" in ran.err) == (2, True, False), ran.err
    assert not (home / ".config" / "baton").exists()


@pytest.mark.parametrize("text", [b"", b'{"name": "wor', b"\x00\xff", b"[]", b"4711\n"])
def test_a_pid_file_that_is_not_whole_counts_as_none(baton: Baton, text: bytes) -> None:
    """After a power cut or a full disk: `down` has nothing to stop, and says no more than that."""
    (baton.state / "run").mkdir(parents=True)
    for name in processes.PARTS:
        (baton.state / "run" / f"{name}.json").write_bytes(text)
    ran = baton("down")
    assert (ran.code, ran.out.strip(), ran.err) == (0, "nothing was running", "")


@pytest.mark.parametrize(
    ("ports", "said"),
    [
        (("--port", "7400", "--ui-port", "7400"), "port 7400 cannot be the server's and the Web UI's"),
        (("--ui-port", "7233"), "port 7233 cannot be the server's and the Web UI's"),
    ],
)
def test_one_port_for_two_is_refused(baton: Baton, ports: tuple[str, ...], said: str) -> None:
    """Exit 2 before anything is started."""
    ran = baton("up", *ports)
    assert (ran.code, said in ran.err) == (2, True), ran.err
    assert not (baton.state / "logs").exists()


def test_up_starts_no_server_beside_a_remote_one(baton: Baton, home: Path) -> None:
    """In a context of another machine's server, or of a profile, `up` would start one that no command of it uses."""
    assert baton("context", "add", "team", "--temporal", "temporal.example.org:7233").code == 0
    assert baton("context", "add", "cloud", "--profile", "cloud").code == 0
    for name in ("team", "cloud"):
        ran = baton("up", "--context", name)
        assert (ran.code, f"the context {name} works with Temporal at" in ran.err) == (2, True), ran.err
    ran = baton("up", "--context", "team", "--port", "7400")
    assert ran.code == 2, ran.err


def test_odd_paths_are_one_ledger(baton: Baton, begin: Begin, tmp_path: Path) -> None:
    """What means something in a URL is a part of the name in a path: each folder has its own ledger, and only that."""
    from ledger.db import Ledger

    names = [
        "q?a",
        "q?b",
        "C#",
        "per%20cent",
        "per cent",
        "100%",
        "q?mode=memory",
        "ü é'\"",
        "@:x",
        "%3F",
        "a;b=c&d",
        "a\nb",
        "back\\slash",
        "file:x",
    ]
    for name in names:
        folder = tmp_path / "odd" / name
        found = load(state=folder)
        ledger = Ledger(found.database, found.artifacts)
        ledgers.migrate(ledger)
        ledger.close()
        assert (folder / "ledger.db").exists(), found.database
        baton.set(BATON_STATE=folder)
        assert baton("runs").code == 0
    assert sorted(os.listdir(tmp_path / "odd")) == sorted(names)


def test_what_the_system_refuses_names_user_and_owner(tmp_path: Path) -> None:
    """The sentence for an error of the system has the file, the reason and the user, whatever the file is."""
    error = PermissionError(13, "Permission denied", str(tmp_path))
    said = places.unable(error)
    assert said.startswith(f"{tmp_path}: Permission denied (user {places.name_of(os.geteuid())}")
    assert "Give this user the right to it" in said
