"""What is told of two revisions: what differs, and nothing of what does not."""

from contracts.interdiff import LONGEST, of_patches, of_texts

HEAD = b"diff --git a/%b b/%b\nindex 1111111..%b 100644\n--- a/%b\n+++ b/%b\n"


def _part(name: bytes, body: bytes, blob: bytes = b"2222222", at: int = 1) -> bytes:
    lines = body.splitlines()
    old, new = sum(line[:1] != b"+" for line in lines), sum(line[:1] != b"-" for line in lines)
    return HEAD % (name, name, blob, name, name) + b"@@ -%d,%d +%d,%d @@\n" % (at, old, at, new) + body


def test_of_two_patches_only_what_they_do_otherwise_is_told() -> None:
    """Not where a part stands nor which blob it makes; a file that is left out now, one that is new, and those as before."""
    before = _part(b"a.py", b" x\n-y\n+z\n") + _part(b"b.py", b"-1\n+2\n") + _part(b"c.py", b"-c\n+d\n")
    after = (
        _part(b"a.py", b" x\n-y\n+w\n", b"3333333") + _part(b"b.py", b"-1\n+2\n", b"4444444", 7) + _part(b"e.py", b"-e\n+f\n")
    )
    told = of_patches(before, after)
    assert told == [
        *("\\ a.py: changed otherwise", "@@", " @@ @@", "  x", " -y", "-+z", "++w"),
        *("\\ c.py: no longer changed", "@@", "-@@ @@", "--c", "-+d"),
        *("\\ e.py: changed for the first time", "@@", "+@@ @@", "+-e", "++f"),
        "\\ as before: b.py",
    ]
    assert of_patches(before, before) == []


def test_a_mode_that_changed_is_told() -> None:
    """It has no line of content."""
    mode = b"diff --git a/run b/run\nold mode 100644\nnew mode 100755\n"
    assert of_patches(mode, _part(b"a", b"-1\n+2\n"))[:4] == [
        "\\ run: no longer changed",
        "@@",
        "-old mode 100644",
        "-new mode 100755",
    ]


def test_of_two_texts_what_differs_is_told_with_what_stands_around_it() -> None:
    """Equal texts have nothing to tell, and very long ones are counted."""
    text = [str(number) for number in range(20)]
    assert of_texts(text, [*text[:10], "new", *text[10:]]) == ["@@", " 7", " 8", " 9", "+new", " 10", " 11", " 12"]
    assert of_texts(text, text) == []
    long = ["x"] * (LONGEST + 1)
    assert of_texts(long, long) == []
    assert of_texts(long, text) == [f"\\ too long to be compared line by line: {LONGEST + 1} lines before, 20 lines now"]
