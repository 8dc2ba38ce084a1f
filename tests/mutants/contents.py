"""What files hold and are called: links, encodings, filters, names."""

from tests.mutants.mutant import Mutant

STORED, ENTRIES = "tests/activities/tools/test_stored.py", "tests/activities/tools/test_entries.py"

MUTANTS = (
    Mutant(
        name="content-for-a-pointer",
        promise="Nothing is written in place of what a filter stores, such as a pointer of Git LFS.",
        file="activities/tools/stored.py",
        old="one_line(self._path, PATH_SHOWN), self._of.filter",
        new='one_line(self._path, PATH_SHOWN), ""',
        tests=(f"{STORED}::test_what_git_stores_as_something_else_is_not_written",),
    ),
    Mutant(
        name="lf-into-crlf",
        promise="An edit keeps the line ends of the file.",
        file="activities/tools/edits.py",
        old="        return with_line_ends(asked.new, before.end)",
        new="        return asked.new",
        tests=(f"{STORED}::test_an_edit_keeps_encoding_and_line_ends",),
    ),
    Mutant(
        name="another-encoding",
        promise="A character that the file's encoding lacks is refused, and no other encoding is used.",
        file="activities/tools/stored.py",
        old="        encoding = UTF8 if before is None else before.encoding",
        new="        encoding = UTF8",
        tests=(f"{STORED}::test_what_does_not_fit_into_the_encoding_is_said",),
    ),
    Mutant(
        name="a-link-out",
        promise="A link that an agent makes leads to a file or folder of the workspace.",
        file="activities/tools/entries.py",
        old="        _check_target(root, name, asked.target)",
        new="        pass",
        tests=(f"{ENTRIES}::test_links_that_lead_elsewhere_are_not_made",),
    ),
    Mutant(
        name="names-that-collide",
        promise="New names that are another's on disks without case are named at the gate.",
        file="activities/repositories/names.py",
        old="    return name.lower() if name.isascii() else _composed(_composed(name).casefold())",
        new="    return name",
        tests=("tests/activities/repositories/test_names.py::test_names_that_are_one_on_many_disks",),
    ),
    Mutant(
        name="stored-is-checked",
        promise="A check runs on files as a checkout has them.",
        file="activities/repositories/workspaces.py",
        old="mirror.checkout(tree, folder, converted=True)",
        new="mirror.checkout(tree, folder)",
        tests=("tests/activities/repositories/test_workspaces.py::test_a_scratch_folder_is_a_checkout",),
    ),
    Mutant(
        name="any-bytes-for-a-pointer",
        promise="A check sees content of Git LFS only if it is what the pointer stands for.",
        file="activities/git/lfs_pointers.py",
        old="digest.hexdigest() == wanted.digest",
        new="True",
        tests=("tests/activities/git/test_lfs.py::test_other_bytes_are_not_taken_for_the_content",),
    ),
    Mutant(
        name="pushed-without-content",
        promise="Content that a run has written for Git LFS is at the target before the branch is.",
        file="activities/actions/git_push.py",
        old="            mirror.lfs.upload(base.tree, push.tree)",
        new="            pass",
        tests=("tests/workflows/test_contents.py::test_what_an_agent_writes_for_lfs_arrives_with_the_push",),
    ),
    Mutant(
        name="a-wild-guess",
        promise="An encoding that nothing names is called unknown, and only its ASCII is written.",
        file="activities/files/encoding.py",
        old="UNKNOWN if names or not looks_western(data) else _guessed(data)",
        new="_guessed(data)",
        tests=("tests/activities/tools/test_encodings.py::test_an_encoding_that_nothing_names_is_called_unknown",),
    ),
    Mutant(
        name="half-a-character",
        promise="No edit begins in the middle of a character of an unknown encoding.",
        file="activities/tools/edits.py",
        old="            _refuse_halves(one_line(name, PATH_SHOWN), before.text, old)",
        new="            pass",
        tests=("tests/activities/tools/test_encodings.py::test_half_a_character_is_never_replaced",),
    ),
    Mutant(
        name="a-pipe-that-hides",
        promise="A check that pipes fails where any part of it does.",
        file="activities/repositories/check_command.py",
        old="""["/bin/sh", "-c", PIPES, "sh", command] if has_pipe(command) else ["/bin/sh", "-c", command]""",
        new="""["/bin/sh", "-c", command]""",
        tests=("tests/activities/repositories/test_checks.py::test_a_failure_before_a_pipe_is_a_failure",),
    ),
    Mutant(
        name="a-path-that-is-gone",
        promise="What git says of a repository on this machine names the user's own path.",
        file="activities/git/source.py",
        old='            words = words.replace(f"{standing}/./", f"{self.own}/").replace(standing, self.own)',
        new="            pass",
        tests=("tests/activities/git/test_git.py::test_a_stale_lock_is_told_by_the_users_own_path",),
    ),
)
