"""Mutants of what acts on the outside world: where it may act, and what is sent once."""

from tests.mutants.mutant import Mutant

ACTIONS = "tests/activities/actions"

MUTANTS = (
    Mutant(
        name="inner-address-reached",
        promise="A target that is not declared private reaches no address of this machine or its network.",
        file="activities/actions/web.py",
        old="if not inner.is_global or inner.is_multicast:",
        new="if inner.is_multicast:",
        tests=(f"{ACTIONS}/test_http_post.py::test_an_inner_address_is_refused",),
    ),
    Mutant(
        name="name-looked-up-twice",
        promise="The address that was checked is the one that is connected to.",
        file="activities/actions/web.py",
        old="connecting.connect(address)",
        new="connecting.connect((host, port))",
        tests=(f"{ACTIONS}/test_http_post.py::test_a_name_that_leads_elsewhere_the_second_time_leads_nowhere",),
    ),
    Mutant(
        name="redirect-taken-for-done",
        promise="An answer that leads elsewhere is no receipt.",
        file="activities/actions/http_post.py",
        old="if 200 <= answer.status < 300:",
        new="if 200 <= answer.status < 400:",
        tests=(f"{ACTIONS}/test_http_post.py::test_an_answer_is_a_refusal_or_says_nothing",),
    ),
    Mutant(
        name="key-beside-statement",
        promise="A statement and its key are committed together.",
        file="activities/actions/sql_execute.py",
        old="rows = _executed(connection, wanted, setting, values)",
        new="rows = connection.commit() or _executed(connection, wanted, setting, values)",
        tests=(f"{ACTIONS}/test_statements.py::test_what_the_database_refuses_leaves_nothing",),
    ),
    Mutant(
        name="any-recipient",
        promise="Mail goes to declared domains.",
        file="activities/actions/email_send.py",
        old='if not everybody and one.rpartition("@")[2].lower() not in allowed]',
        new="if not one.lower().endswith(tuple(allowed))]",
        tests=(f"{ACTIONS}/test_mail.py::test_only_declared_domains_get_mail",),
    ),
    Mutant(
        name="some-get-the-mail",
        promise="A message of which one recipient is refused is sent to nobody.",
        file="activities/actions/email_send.py",
        old="if code not in (250, 251):",
        new="if code not in (250, 251, 450, 550):",
        tests=(f"{ACTIONS}/test_mail.py::test_nobody_gets_a_message_of_which_one_is_refused",),
    ),
    Mutant(
        name="unknown-sent-again",
        promise="What may have arrived where nobody can be asked is not sent again.",
        file="activities/actions/sending.py",
        old="raise unknown(row, str(error), for_good=True) from None",
        new="return None, True",
        tests=(f"{ACTIONS}/test_dying.py::test_what_a_worker_dies_over_happens_at_most_once",),
    ),
    Mutant(
        name="any-host",
        promise="A command reaches declared hosts and no other.",
        file="activities/sandbox/doorway.py",
        old="if host.lower() not in allowed:",
        new="if not allowed:",
        tests=(f"{ACTIONS}/test_commands.py::test_a_command_reaches_declared_hosts_and_no_other",),
    ),
    Mutant(
        name="file-of-somebody-else-replaced",
        promise="A file that is there is replaced only where it was named.",
        file="activities/actions/file_write.py",
        old="    if there == wanted.replaces:",
        new="    if there == wanted.replaces or not wanted.replaces:",
        tests=(f"{ACTIONS}/test_beneath.py::test_a_file_is_written_found_replaced_and_put_back",),
    ),
)
