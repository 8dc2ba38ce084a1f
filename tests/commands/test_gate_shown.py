"""What a person is shown at a gate is what is pushed: with a real worker, through the command line, read back with git."""

import re
import subprocess
from pathlib import Path

from tests.commands.conftest import Baton, Serve, asking
from tests.scripts import Turn, a_tester, answer, item, plan, says, write, writer
from tests.stack import sample

HIDDEN = {
    "shop/uno.js": "// uno\r evil1();\nstart();\n",
    "shop/dos.js": "// dos\u2028 evil2();\n// tres\x85 evil3();\n",
    "shop/cuatro.py": "if role != 'user\u202e\u2066# admin\u2069\u2066':\n    pass\n",
    "shop/cinco.txt": "a\u00a0b\u200bc\U000e0041 Z" + "\u0301" * 9 + " \\u202e\n",
}


def writing(files: dict[str, str]) -> tuple[dict[str, object], ...]:
    """A delivery that writes exactly these files."""
    turns: list[Turn] = [write(name, text) for name, text in files.items()]
    return (says("planner", answer(plan(item("fix", list(files))))), writer("fix", *turns), a_tester())


async def test_the_shown_diff_is_the_pushed_bytes(baton: Baton, serve: Serve, tmp_path: Path) -> None:
    """Separators, bidi, zero-width, tags and floods of marks stand as codes on the terminal and in JSON; git has the bytes."""
    origin = sample(tmp_path / "shown")
    async with serve(*writing(HIDDEN)):
        run = (await baton.live(*asking(origin, "--branch", "shown", "--wait-for-gate", "--json"))).json["run"]
        assert (await baton.live("approve", run, "--yes")).code == 0
        assert (await baton.live("result", run, "--wait-for-gate")).code == 4
        page = (await baton.live("show", run, "--gate", "change")).out
        document = (await baton.live("show", run, "--gate", "change", "--json")).json
        for line in (
            "+// uno\\u000d evil1();",
            "+// dos\\u2028 evil2();",
            "+// tres\\u0085 evil3();",
            "+if role != 'user\\u202e\\u2066# admin\\u2069\\u2066':",
            "+a\\u00a0b\\u200bc\\udb40\\udc41 Z" + "\u0301" * 3 + "\\u0301" * 6 + " \\\\u202e",
        ):
            assert line in page.split("\n")
            assert line in document["diff"].split("\n")
        assert not re.search("[\r\x85\u2028\u202e\u2066\u00a0\u200b\U000e0041]", page + document["diff"])
        (fact,) = [one for one in document["gate"]["facts"] if one.startswith("hidden characters are added")]
        assert "shop/cuatro.py line 1 (" in fact
        # High, because no test reaches these files; the form is a reason of its own.
        assert document["gate"]["risk"].startswith("high: ")
        assert "it changes what a diff shows badly: see the facts" in document["gate"]["risk"]
        assert (await baton.live("approve", run, "--yes")).code == 0
        assert (await baton.live("result", run, "--wait")).code == 0
    for name, text in HIDDEN.items():
        assert git_bytes(origin, f"shown:{name}") == text.encode()


async def test_line_ends_and_encoding_are_facts(baton: Baton, serve: Serve, tmp_path: Path) -> None:
    """LF to CRLF, a lost last newline, a byte order mark, a new mixed file: each is named at the gate; the diff shows it."""
    before = {"crlf.txt": "one\ntwo\n", "lost.txt": "end\n", "bom.txt": "text\n"}
    files = {"crlf.txt": "one\r\ntwo\r\n", "lost.txt": "end", "bom.txt": "\ufefftext\n", "mixed.txt": "a\r\nb\n"}
    origin = sample(tmp_path / "ends", before)
    async with serve(*writing(files)):
        run = (await baton.live(*asking(origin, "--branch", "ends", "--wait-for-gate", "--json"))).json["run"]
        assert (await baton.live("approve", run, "--yes")).code == 0
        assert (await baton.live("result", run, "--wait-for-gate")).code == 4
        document = (await baton.live("show", run, "--gate", "change", "--json")).json
        facts = [one for one in document["gate"]["facts"] if one.startswith(("line ends", "encoding"))]
        assert facts == [
            "line ends change: crlf.txt: LF → CRLF; lost.txt: the newline at its end is lost; "
            "mixed.txt is new and mixed (1 CRLF, 1 LF)",
            "encoding changes: bom.txt: UTF-8 → UTF-8 with a byte order mark",
        ]
        assert "-one\n" in document["diff"]
        assert "+one\\u000d\n" in document["diff"]
        assert (await baton.live("approve", run, "--yes")).code == 0
        assert (await baton.live("result", run, "--wait")).code == 0
    assert [git_bytes(origin, f"ends:{name}") for name in files] == [text.encode() for text in files.values()]


def git_bytes(origin: Path, name: str) -> bytes:
    """A file of a branch as git has it."""
    return subprocess.run(["git", "cat-file", "blob", name], cwd=origin, capture_output=True, check=True).stdout
