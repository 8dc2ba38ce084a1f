"""Mutants of the console: nobody gets in who should not, other sites change nothing, words stay words, decisions count once."""

from tests.mutants.mutant import Mutant

ROOM = "tests/console"

MUTANTS = (
    Mutant(
        name="page-without-a-session",
        promise="A page is for whoever is signed in.",
        file="console/answers.py",
        old="                if session is None:",
        new="                if session is False:",
        tests=(f"{ROOM}/test_borders.py::test_whatever_the_application_answers_is_in_the_list_and_pages_need_somebody",),
    ),
    Mutant(
        name="console-under-any-name",
        promise="A request under another name than the console's own is refused.",
        file="console/borders.py",
        old="        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:",
        new="        if len(hosts) != 1:",
        tests=(f"{ROOM}/test_borders.py::test_a_name_that_is_not_the_consoles_own_is_refused",),
    ),
    Mutant(
        name="form-of-any-site",
        promise="A form that another site has sent changes nothing.",
        file="console/borders.py",
        old='        return headers.getlist("origin") in [[origin] for origin in self._origins]',
        new="        return True",
        tests=(f"{ROOM}/test_borders.py::test_a_form_that_another_site_sent_changes_nothing",),
    ),
    Mutant(
        name="link-used-twice",
        promise="A link signs in once.",
        file="ledger/signed_in.py",
        old="    unused = (sign_in_link.c.digest == digest, sign_in_link.c.used_at.is_(None), sign_in_link.c.expires_at > now)",
        new="    unused = (sign_in_link.c.digest == digest, sign_in_link.c.expires_at > now)",
        tests=(f"{ROOM}/test_signing_in.py::test_a_link_signs_in_once_and_looking_at_it_uses_nothing_up",),
    ),
    Mutant(
        name="session-for-ever",
        promise="A session ends when it is idle.",
        file="ledger/signed_in.py",
        old="    if idle > IDLE or since > LASTS:",
        new="    if since > LASTS:",
        tests=(f"{ROOM}/test_signing_in.py::test_an_idle_session_is_over_and_does_not_come_back",),
    ),
    Mutant(
        name="markup-in-a-page",
        promise="What others wrote is no markup in a page.",
        file="console/rendering.py",
        old="        autoescape=True,  # all templates, whatever their names end with",
        new="        autoescape=False,",
        tests=(f"{ROOM}/test_pages.py::test_words_of_others_are_only_words",),
    ),
    Mutant(
        name="borrowed-channel",
        promise="A decision that only says that it comes from the console does not count.",
        file="activities/gates/from_console.py",
        old="    if said.channel != CHANNEL:",
        new="    if said.channel:",
        tests=(f"{ROOM}/test_deciding.py::test_what_the_console_has_not_written_down_does_not_count_as_its_own",),
    ),
    Mutant(
        name="old-page-decides",
        promise="A page decides on what it has shown.",
        file="console/deciding.py",
        old='    if fields.get("subject") != target.view.subject:',
        new="    if not target.view.subject:",
        tests=(f"{ROOM}/test_deciding.py::test_what_is_not_whole_is_refused_on_the_page_and_not_sent",),
    ),
    Mutant(
        name="withdrawn-and-answered",
        promise="Of an answer and a withdrawal that come at once, one counts.",
        file="ledger/decision_outbox.py",
        old='    return update(decision_outbox).where(decision_outbox.c.nonce == nonce, decision_outbox.c.state == "waiting")',
        new="    return update(decision_outbox).where(decision_outbox.c.nonce == nonce)",
        tests=(f"{ROOM}/test_deciding.py::test_of_an_answer_and_a_withdrawal_one_counts",),
    ),
    Mutant(
        name="remark-about-nothing-shown",
        promise="A remark is about a place that the page has shown.",
        file="console/deciding.py",
        old="        if place not in known:",
        new="        if not place:",
        tests=(f"{ROOM}/test_gate.py::test_words_about_a_line_go_with_its_place_and_only_places_that_were_shown_count",),
    ),
    Mutant(
        name="today-at-an-earlier-line",
        promise="At a line only what was known then is shown.",
        file="console/then.py",
        old="    lines = newest(connection, Filter(trace=trace, until=seq), MOST, before=None, details=True)[::-1]",
        new="    lines = newest(connection, Filter(trace=trace), MOST, before=None, details=True)[::-1]",
        tests=(f"{ROOM}/test_run.py::test_at_a_line_only_what_was_known_then_is_shown",),
    ),
    Mutant(
        name="ceiling-above-policy",
        promise="A ceiling is raised no higher than policy lets it.",
        file="console/deciding.py",
        old="    if most is not None and wanted > most:",
        new="    if most is None and wanted < 0:",
        tests=(f"{ROOM}/test_gate.py::test_a_ceiling_is_raised_within_its_bounds",),
    ),
)
