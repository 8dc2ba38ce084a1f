"""Sorting and answering a ticket by the guide of its desk, where no model is reachable. Pure, and the same each time.

Of a ticket's own words only those pass on that stand in the guide, and numbers that have the form of an order or an amount.
"""

import re
from collections.abc import Iterable

from contracts.desks import Category, Guide, Template, Urgency, Wanted
from contracts.sinks import plain
from contracts.support_cases import CaseAnswer, CaseTask, Order, Refund, Sorted, TicketFields

ORDER_MISSING, AMOUNT_UNREAD = "the number of the order", "the amount, written like 12.50 EUR"

_MONEY = re.compile(
    r"(?:[€$£]|\b(?:eur|euro|usd|gbp))\s?(\d{1,6}(?:[.,]\d{2})?)(?![\d.,]*\d)"
    r"|(?<![\d.,])(\d{1,6}(?:[.,]\d{2})?)\s?(?:[€$£]|(?:eur|euro|euros|usd|gbp|dollars|pounds)\b)"
)
_CURRENCY = re.compile(r"[€$£]|\b(?:eur|euros?|usd|gbp|dollars?|pounds?)\b")
_LONGEST = 60_000


def stands(text: str, word: str) -> bool:
    """True if a text holds a word of a guide as a whole, or as the beginning of one where it ends with a star.

    The text is `plain`.
    """
    open_end = word.endswith("*")
    wanted = plain(word.removesuffix("*"))
    at = text.find(wanted)
    while wanted and at >= 0:
        ends = at + len(wanted)
        before, after = text[at - 1 : at], text[ends : ends + 1]
        if not before.isalnum() and (open_end or not after.isalnum()):
            return True
        at = text.find(wanted, at + 1)
    return False


def sort(text: str, guide: Guide) -> Sorted:
    """Category, urgency, language and template of a ticket, by the words of its desk's guide."""
    whole = plain(text[:_LONGEST])
    hits = {name: found for name, words in guide.categories.items() if (found := _found(whole, words))}
    most = max(map(len, hits.values()), default=0)
    best: list[Category] = [name for name, found in hits.items() if len(found) == most]
    category: Category = best[0] if len(best) == 1 else "other"
    why = f"by {', '.join(hits[category])}" if len(best) == 1 else "no word of a category stands in it"
    if len(best) > 1:
        why = f"ambiguous: {' and '.join(best)} fit as well"
    urgency: Urgency = "high" if _found(whole, guide.urgent) else "normal"
    template = "" if hits else _trivial(whole, guide)
    return Sorted(category=category, urgency=urgency, language=_language(whole, guide), template=template, why=why[:200])


def fields_of(text: str, guide: Guide) -> TicketFields:
    """The fields of a ticket: what is wanted, order and amount by their forms, and words of the guide."""
    whole = plain(text[:_LONGEST])
    wants = {name: len(found) for name, words in guide.wants.items() if (found := _found(whole, words))}
    wanted: Wanted = max(wants, key=lambda name: wants[name], default="other")
    orders = list(dict.fromkeys(re.findall(guide.order, text[:_LONGEST]))) if guide.order else []
    orders = [one for one in orders if isinstance(one, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,39}", one)]
    amounts = list(dict.fromkeys(_cents(one or other) for one, other in _MONEY.findall(whole)))
    twice = [f"the orders {' and '.join(orders[:5])}"] if len(orders) > 1 else []
    if len(amounts) > 1 and wanted == "refund":
        twice.append(f"the amounts {' and '.join(f'{one // 100}.{one % 100:02}' for one in amounts[:5])}")
    lacks = [ORDER_MISSING] if wanted == "refund" and not orders else []
    if wanted == "refund" and not amounts and _CURRENCY.search(whole):
        lacks.append(AMOUNT_UNREAD)
    return TicketFields(
        wanted=wanted,
        order=orders[0] if len(orders) == 1 else None,
        cents=amounts[0] if len(amounts) == 1 else None,
        terms=_terms(whole, guide),
        summary=f"No model has read this. By words of the guide: {wanted}.",
        missing=tuple(lacks),
        contradictions=tuple(one[:200] for one in twice),
    )


def answer_of(task: CaseTask, guide: Guide) -> CaseAnswer:
    """A template's text, filled in; or why a person has to answer."""
    named = {name: one for name, one in guide.templates.items() if one.category == task.category}
    fits = {name: len(set(task.fields.terms) & {_bare(word) for word in one.words}) for name, one in named.items()}
    most = max(fits.values(), default=0)
    best = [name for name, count in fits.items() if count == most]
    if not most or len(best) > 1:
        why = f"the templates {', '.join(best)} fit as well" if most else "no template of the guide answers this"
        return _handed_over(task, why)
    template = guide.templates[best[0]]
    order = next((one for one in task.orders if one.order == task.fields.order), None)
    text, lacks = _filled(template, guide, task, order)
    if template.refund and order is None:
        lacks = "no order of this customer has the number that is named"
    if lacks:
        return _handed_over(task, f"the template {best[0]} cannot be filled in: {lacks}")
    given = _refund(template, task, order, best[0])
    articles = (task.articles[0].path,) if "{article}" in _text(template, guide, task.language) else ()
    said = f"By the template {best[0]}; no model was asked."
    return CaseAnswer(subject=template.about[:200], reply=text, note=said, articles=articles[:5], refund=given, hand_over="")


def template_text(guide: Guide, name: str, language: str) -> str:
    """The text of a trivial template in a language, or in the desk's own; "" where it has none."""
    found = guide.templates.get(name)
    return "" if found is None else _text(found, guide, language)


def _refund(template: Template, task: CaseTask, order: Order | None, name: str) -> Refund | None:
    if not template.refund or order is None:
        return None
    cents = task.fields.cents if task.fields.cents is not None else order.cents
    return Refund(order=order.order, cents=max(cents, 1), why=f"template {name}")


def _filled(template: Template, guide: Guide, task: CaseTask, order: Order | None) -> tuple[str, str]:
    """The text, and what is missing for it."""
    text = _text(template, guide, task.language)
    if not text:
        return "", f"it has no text in {task.language} or {guide.language}"
    if "{order}" in text and order is None:
        return "", "no order of this customer has the number that is named"
    if "{article}" in text and not task.articles:
        return "", "no article of the knowledge folder has these words"
    article = task.articles[0].text if task.articles else ""
    return text.replace("{order}", order.order if order else "").replace("{article}", article)[:6000], ""


def _text(template: Template, guide: Guide, language: str) -> str:
    return template.text.get(language) or template.text.get(guide.language, "")


def _handed_over(task: CaseTask, why: str) -> CaseAnswer:
    read = tuple(one.path[:200] for one in task.articles[:5])
    looked = f" Articles with these words: {', '.join(read)}." if read else ""
    note = f"No model was asked; {why}.{looked}"
    return CaseAnswer(subject="", reply="", note=note[:2000], articles=read, refund=None, hand_over=why[:1000])


def _found(whole: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if stands(whole, word)]


def _trivial(whole: str, guide: Guide) -> str:
    return next((name for name, one in guide.templates.items() if one.trivial and _found(whole, one.words)), "")


def _language(whole: str, guide: Guide) -> str:
    counted = {name: len(_found(whole, words)) for name, words in guide.languages.items()}
    most = max(counted.values(), default=0)
    best = [name for name, count in counted.items() if count == most]
    return best[0] if most and len(best) == 1 else guide.language


def _terms(whole: str, guide: Guide) -> tuple[str, ...]:
    """Words of the guide that stand in it: those of templates first, as they say what to answer."""
    known = [word for one in guide.templates.values() for word in one.words]
    known += [word for words in (*guide.categories.values(), *guide.wants.values()) for word in words]
    return tuple(dict.fromkeys(_bare(word) for word in dict.fromkeys(known) if stands(whole, word)))[:12]


def _bare(word: str) -> str:
    return word.removesuffix("*")[:40]


def _cents(text: str) -> int:
    whole, _, part = text.replace(",", ".").partition(".")
    return int(whole) * 100 + int(part or 0)
