"""The worker's image, as far as it can be proved without building it: what goes in, as whom it runs, how it is installed."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.children import PATIENCE
from tests.deploy import rules
from tests.deploy.test_compose import ROOT, load


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, each as its name and the rest."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def of(name: str) -> list[str]:
    """What follows each instruction of this name."""
    return [rest for found, rest in instructions() if found == name]


def copied() -> list[tuple[str, str]]:
    """Every source that is copied, and where to."""
    pairs = []
    for rest in of("COPY"):
        *sources, target = rest.split()
        pairs += [(source, f"{target}{Path(source).name}" if target.endswith("/") else target) for source in sources]
    return pairs


def test_the_base_is_pinned_and_new_enough() -> None:
    """A full version of Python and Debian's name, and the Python that pyproject.toml asks for."""
    [base] = of("FROM")
    found = re.fullmatch(r"python:(\d+)\.(\d+)\.\d+-slim-[a-z]+", base)
    assert found, base
    wanted = re.findall(r"\d+", tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"])
    assert (int(found[1]), int(found[2])) >= (int(wanted[0]), int(wanted[1]))


def test_dependencies_come_with_hashes() -> None:
    """What is installed from elsewhere is in the lock with its hash; the rest is our own code."""
    installs = re.findall(r"pip install[^&]*", " && ".join(of("RUN")))
    assert [one.strip() for one in installs] == [
        "pip install --require-hashes -r requirements.lock",
        "pip install --no-deps --no-build-isolation --editable .",
    ]
    assert re.search(r"install --yes --no-install-recommends bubblewrap git openssh-client\b", of("RUN")[0])


def test_the_worker_is_not_root_and_owns_its_state() -> None:
    """The last user is an ordinary one, made with a fixed number, and the folder of the state volume is its own."""
    worker = load()["services"]["worker"]
    assert of("USER")[-1] == "baton"
    [making] = [run for run in of("RUN") if "useradd" in run]
    assert "--uid 10001" in making
    assert worker["environment"]["BATON_STATE"] in making
    assert worker["volumes"] == [f"state:{worker['environment']['BATON_STATE']}"]


def test_no_secret_goes_into_the_image() -> None:
    """No build argument, no variable that sounds like a secret."""
    assert of("ARG") == []
    assert [one for one in of("ENV") if rules.SECRET_WORD.search(one)] == []


def test_the_builder_sees_only_what_is_copied() -> None:
    """.dockerignore leaves everything out but the Dockerfile's own sources; secrets and state can never be sent."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    assert listed[0] == "*"
    seen = {line.removeprefix("!") for line in listed if line.startswith("!")}
    # The locks of the extras are for a line of an installation's own: docs/models.md.
    extras = {"requirements-bedrock.lock", "requirements-vertex.lock"}
    assert seen - extras == {source for source, _ in copied()}
    assert extras <= seen


def test_its_name_has_the_version() -> None:
    """The image is named after the project's version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert load()["services"]["worker"]["image"] == f"{project['name']}:{project['version']}"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with exactly the files that the image gets."""
    folder = tmp_path_factory.mktemp("image")
    for source, target in copied():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, folder / target)
    return folder


def test_what_is_copied_is_enough(program: Path) -> None:
    """Worker, command and health check load from the image's files alone, agents and policy among them."""
    loads = (
        "import sys; sys.path[:0] = [sys.argv[1], sys.argv[1] + '/deploy/worker'];"
        "import config, worker, starter, healthy, commands.doctor.temporal;"
        "from activities.agents.catalogue import load_catalogue; from activities.gates.policy import load_policy;"
        "from activities.tools.registry import TOOLS;"
        "settings = config.load(); load_policy(settings.policy); load_catalogue(settings.agents, TOOLS);"
        "print(worker.__file__, settings.agents, settings.policy, healthy.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", loads, str(program)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        cwd=program,
        env={},
    )
    assert done.returncode == 0, done.stderr
    files = ("worker.py", "agents", "policy.toml", "deploy/worker/healthy.py")
    assert done.stdout.split() == [str(program / one) for one in files]
    assert of("CMD") == ['["python", "worker.py"]']
