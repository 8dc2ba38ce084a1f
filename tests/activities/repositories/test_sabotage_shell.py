"""Changed lines of shell scripts made to fail, in a real shell; a fault that is not live changes nothing."""

import subprocess
from pathlib import Path

import pytest

from activities.repositories import sabotage
from activities.repositories.judging import Lines
from activities.repositories.sabotage.region import Fault

SCRIPT = """\
#!/bin/sh
# what it costs
set -e
half() {
    # a comment
    echo $(( $1 / 2 ))
}
kind()
{
    case "$1" in
        a|b) echo "letter" ;;
        '(') echo bracket
            ;;
        *)
            echo other ;;
    esac
}
text=$(cat <<'END'
case of } "quotes
END
)
for one in 4 \\
    6; do
    if [ "$one" = 4 ]; then half "$one"
    elif [ "${one#x}" = 6 ]; then
        half "$one" |
            cat
    else
        kind '('
    fi
done
kind a; kind z
echo "over
two lines: $text"
"""
TOKEN = "token-0123"


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The script in a real shell."""
    (folder / "it.sh").write_text(script)
    return subprocess.run(["sh", "it.sh"], cwd=folder, capture_output=True, text=True, check=False)


def regions_at(*numbers: int, script: str = SCRIPT) -> tuple[sabotage.Region, ...]:
    """The regions of these changed lines."""
    return sabotage.regions("it.sh", script, Lines(added=tuple((number, "") for number in numbers)))


REACHED = {
    3: (3, ""),
    6: (6, "half"),
    4: (4, "half"),
    8: (8, "kind"),
    11: (11, "kind"),
    15: (15, "kind"),
    19: (19, ""),
    23: (23, ""),
    24: (24, ""),
    25: (25, ""),
    26: (26, ""),
    27: (27, ""),
    32: (32, ""),
    34: (34, ""),
}


@pytest.mark.parametrize("number", REACHED)
def test_a_line_that_runs_ends_the_shell(tmp_path: Path, number: int) -> None:
    """Whatever it is a part of, the fault says its token; one that is not live changes nothing."""
    (region,) = regions_at(number)
    assert (region.numbers, region.where) == ((REACHED[number][0],), REACHED[number][1])
    broken = run(sabotage.sabotaged(SCRIPT, region, Fault(TOKEN)), tmp_path)
    assert TOKEN in broken.stderr
    whole, dead = run(SCRIPT, tmp_path), run(sabotage.sabotaged(SCRIPT, region, Fault(TOKEN, live=False)), tmp_path)
    assert (dead.returncode, dead.stdout, dead.stderr) == (whole.returncode, whole.stdout, "")


def test_a_line_that_does_not_run_is_not_reached(tmp_path: Path) -> None:
    """The branch that nothing takes, and an arm of `case` that nothing fits."""
    for number in (12, 29):
        (region,) = regions_at(number)
        assert run(sabotage.sabotaged(SCRIPT, region, Fault(TOKEN)), tmp_path).returncode == 0


def test_what_does_nothing_is_no_place_and_branches_are_apart() -> None:
    """Comments, empty lines and words that only close; an `else` is a region of its own."""
    assert regions_at(1, 2, 5, 7, 16, 17, 28, 30) == ()
    assert len(regions_at(24, 25, 26)) == 3


@pytest.mark.parametrize(
    "script", ["echo 'open\n", "if true; then\n", "cat <<END\n", "fi\n", "f() {\n", "x=$(echo\n", "case x in\n"]
)
def test_what_cannot_be_read_is_named_as_not_broken(script: str) -> None:
    """No guess is made."""
    (region,) = regions_at(1, script=script)
    assert not region.breakable
