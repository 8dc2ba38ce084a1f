"""Changed lines of languages with braces made to raise: where the fault is put, and what does nothing or cannot raise.

In the pieces of source of `sabotage_braces.txt`, lines that end in `// *` are changed. What stands in ⟦ ⟧ has to be put in: §
is the statement that raises, ¤ is what raises before a value. Without ⟦ ⟧ the lines do nothing; lines that end in `// !`
cannot be made to raise.
"""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.repositories.judging import Lines
from activities.repositories.sabotage import Fault, Region, regions, sabotaged, supports
from activities.repositories.sabotage.dialects import DIALECTS, dialect_of

FAULT = Fault("0123456789abcdef")

SOURCES = Path(__file__).with_name("sabotage_braces.txt").read_text()
CASES = [
    (title, title.partition(":")[0], text.rstrip("\n"))
    for title, _, text in (one.partition("\n") for one in f"\n{SOURCES}".split("\n=== ")[1:])
]
JAVASCRIPT = [text for _, path, text in CASES if path == "a.js"]


def pieces(path: str, marked: str, fault: Fault = FAULT) -> tuple[str, Lines, str]:
    """The source, its changed lines, and what it is expected to become."""
    dialect = dialect_of(path)
    assert dialect is not None
    source = re.sub("⟦.*?⟧", "", marked, flags=re.DOTALL)
    numbers = [number for number, line in enumerate(source.split("\n"), 1) if line.endswith(("// *", "// !"))]
    put_in = marked.replace("⟦", "").replace("⟧", "")
    put_in = put_in.replace("§", dialect.statement(fault)).replace("¤", dialect.before_value(fault))
    return source, Lines(added=tuple((number, "") for number in numbers)), put_in


@pytest.mark.parametrize(("path", "marked"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_the_fault_is_put_where_the_changed_lines_are_run(path: str, marked: str) -> None:
    """Before the statement, in the body, around the value; at every place of a region at once."""
    source, lines, wanted = pieces(path, marked)
    found = regions(path, source, lines)
    if "⟦" not in marked:
        assert [one.breakable for one in found] == [False] * ("// !" in marked)
        return
    text = source
    for one in reversed(found):
        assert one.breakable
        text = sabotaged(text, one, FAULT)
    assert text == wanted


def test_javascript_with_a_fault_is_still_javascript() -> None:
    """node reads every piece, with a fault that is live and with one that is not."""
    texts = [pieces("a.js", marked, fault)[2] for marked in JAVASCRIPT for fault in (FAULT, replace(FAULT, live=False))]
    texts = [text.replace("@logged() ", "") for text in texts if "import" not in text]
    script = "const vm = require('vm'); for (const text of JSON.parse(require('fs').readFileSync(0))) { try { new vm.Script("
    script += (
        "`(async () => { ${text.replace(/^#!.*/, '').replaceAll('export ', '')}\\n})`) } catch (e) { console.log(text, e) } }"
    )
    done = subprocess.run(["node", "-e", script], input=json.dumps(texts), capture_output=True, text=True, check=True)
    assert done.stdout == ""


NAMES = [
    ("a.ts", "export class Cart {\n  async load(id: string): Promise<Price> {\n    return 1 // *\n  }\n}", "Cart.load"),
    ("a.js", "export default function main(a) {\n  if (a) {\n    f() // *\n  }\n}", "main"),
    ("a.js", "const half = async (a) => {\n  f() // *\n}", "half"),
    ("a.js", "export const half = (a) => a / 2 // *", "half"),
    ("a.js", "f() // *", ""),
    (
        "a.rs",
        "impl<'a> Show for Cart<'a> {\n    fn fmt(&self) -> Result<(), E> { // *\n        1\n    }\n}",
        "Cart.fmt",
    ),
    ("a.rs", "fn f() {\n    while let Some(x) = y {\n        g(); // *\n    }\n}", "f"),
    (
        "A.java",
        "class A {\n    int f(List<B> b) throws C {\n        for (B one : b) {\n            g(); // *\n        }\n    }\n}",
        "A.f",
    ),
    (
        "a.go",
        "func (c *Cart) Load(id string) (int, error) {\n\tif a, err := b(); err != nil {\n\t\treturn 1 // *\n\t}\n}",
        "Load",
    ),
]


@pytest.mark.parametrize(("path", "marked", "name"), NAMES)
def test_a_place_is_named_by_its_function(path: str, marked: str, name: str) -> None:
    """With the class around it; conditions and loops have no names."""
    source, lines, _ = pieces(path, marked)
    assert [one.where for one in regions(path, source, lines)] == [name]


def test_the_languages_that_are_supported() -> None:
    """By the ends of names. Declarations of types run nothing at all."""
    assert all(supports(path) for path in ("a.py", "a.js", "b.tsx", "c.mts", "d.rs", "E.java", "f.go"))
    assert not any(supports(path) for path in ("a.kt", "a.rb", "a.c", "Makefile", "a.md"))
    assert regions("a.d.ts", "f()\n", Lines(added=((1, ""),))) == ()


@pytest.mark.parametrize("text", ["f(\n", "}\n", "(]\n", "(" * 100_000, "x = " + "{}" * 20_000])
def test_what_cannot_be_read_is_named(text: str) -> None:
    """Brackets that do not fit, nested without end, or made to take long: nothing is guessed."""
    assert regions("a.js", text, Lines(added=((1, ""),))) == (Region("a.js", (1,), breakable=False),)


PIECES = "=> -> // /* */ ${ a 'a r#\" é = if else for match fn class case func function switch return do while impl super("
PARTS = st.sampled_from([*"{}()[];:,.?'\"`/\\\n \t#@$!|&=<>+-*", "\r\n", *(f"{one} " for one in PIECES.split())])


@given(st.lists(PARTS, max_size=60).map("".join), st.sampled_from(["a.js", "a.rs", "A.java", "a.go"]))
def test_any_text_is_read_or_refused(text: str, path: str) -> None:
    """A stranger's file never breaks the reading, and nothing of it is lost or changed by the fault."""
    dialect = dialect_of(path)
    assert dialect is not None
    lines = Lines(added=tuple((number, "") for number in range(1, text.count("\n") + 2)))
    for one in regions(path, text, lines):
        if one.breakable:
            rest = iter(sabotaged(text, one, FAULT))
            assert all(letter in rest for letter in text)


@pytest.mark.parametrize("dialect", DIALECTS, ids=[one.family for one in DIALECTS])
def test_a_fault_does_not_say_its_message_in_the_source(dialect: object) -> None:
    """A compiler that quotes the line must not be taken for a program that ran it."""
    for one in DIALECTS:
        assert FAULT.token not in one.statement(FAULT) + one.before_value(FAULT)
        assert one.statement(FAULT) != one.statement(replace(FAULT, live=False))
