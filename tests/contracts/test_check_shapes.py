"""A check's command that can succeed although what it runs fails is named, and an ordinary one is not."""

import pytest

from contracts.check_shapes import has_pipe, hides


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("pytest -q || true", "after || another command decides how it ends: true"),
        ("pytest -q || echo failed", "after || another command decides how it ends: echo failed"),
        ("make test || exit 0", "after || another command decides how it ends: exit 0"),
        ("pytest -q; echo done", "only the last command's exit code counts, and not that of pytest -q"),
        ("pytest -q\nrm -f log", "only the last command's exit code counts, and not that of pytest -q"),
        ("pytest a | tee log; cat log", "only the last command's exit code counts, and not that of pytest a | tee log"),
        ("pytest -q & sleep 1", "how a command that runs in the background ends is not looked at: pytest -q"),
        ("! pytest -q", "! turns failure into success"),
        ("echo $(pytest -q)", "how a command inside $(…) or `…` ends is not looked at"),
        ('test -n "`pytest -q`"', "how a command inside $(…) or `…` ends is not looked at"),
        ("for f in tests/*.sh; do sh $f; done", "of a loop only the last round's exit code counts"),
        ("make -i test", "make ignores errors"),
        ("make -ki test", "make ignores errors"),
        ("cargo test --no-run", "cargo builds the tests and runs none"),
        ("pytest --co", "pytest only lists the tests"),
        ("sh -c 'pytest -q | tee log'", "in a shell of its own a pipe ends as its last part does"),
        ("bash -ec 'pytest -q || :'", "after || another command decides how it ends: :"),
    ],
)
def test_what_hides_a_failure_is_said(command: str, said: str) -> None:
    """With the part that is lost."""
    assert said in hides(command)


@pytest.mark.parametrize(
    "command",
    [
        "pytest -q",
        "pytest -q -k 'a or b' tests",
        "cd sub && pytest -q",
        "cd sub; pytest -q",
        "export CI=1; A=b; pytest -q",
        "pytest -q && npm test",
        "pytest -q > log 2>&1",
        "pytest -q &> log",
        "pytest -q || exit 1",
        "pytest -q | tee log",
        "set -e; pytest a; pytest b",
        "pytest -q; rc=$?; exit $rc",
        "if pytest -q; then exit 0; else exit 1; fi",
        "for f in a b; do sh $f || exit 1; done",
        "python -c 'a; b || c'",
        'pytest -k "a|b"',
        "bash -o pipefail -c 'pytest | tee log'",
        "echo $((1 + 1)) && pytest",
        "pytest -q # || true is not said",
        "",
    ],
)
def test_an_ordinary_command_hides_nothing(command: str) -> None:
    """Quotes, redirections, preparations, and shells that stop at the first failure."""
    assert hides(command) == ()


@pytest.mark.parametrize(
    ("command", "piped"),
    [
        ("pytest | tee log", True),
        ("pytest 2>&1 |& cat", True),
        ("pytest || true", False),
        ("pytest -k 'a|b'", False),
        ('pytest -k "a|b" \\| x', False),
        ("a >| b", False),
    ],
)
def test_a_pipe_is_told_from_what_looks_like_one(command: str, piped: bool) -> None:
    """Quoted, escaped, doubled, or a redirection, it is none."""
    assert has_pipe(command) is piped
