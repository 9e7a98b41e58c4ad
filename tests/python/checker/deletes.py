"""V10: nothing is deleted that was not gone."""

import json
import urllib.parse

from .bank import ENTITY, LISTS


def v10(given, report):
    """V10: each delete of an entity was preceded by an answer 404 or 410 for it by id, and by so many (--listings)
    complete listings in a row of its stream that lacked it, or by a signed DELETED webhook for it in the inbox.

    Told by the bank's log, so bank and broker must go by one clock; the inbox holds only deliveries whose signature
    was verified, so one that is there counts as signed. A balance needs no answer of its own: it goes with its
    account, whose delete must be in the same batch or an earlier one. How old an absence must be, and how many deletes
    are too many at a time, is not checked."""
    deletes = [change for change in given.changes if change.op == "d"]
    if given.bank is None:
        report.missing("no --simulator")
        return
    if given.bank.dropped:
        report.missing(f"the log has lost its first {given.bank.dropped} answers")
        return
    announced = webhooks(given) if deletes else {}
    for change in deletes:
        report.count()
        if change.entity == "balance":
            if not went_with_account(given, change):
                report.wrong(change.where, "deleted, and its account was not")
            continue
        if not was_gone(given, change):
            report.wrong(change.where, "deleted, and no answer by id had said 404 or 410")
        at = announced.get(change.key)
        if at is not None and at <= change.record.timestamp:
            continue
        absent = absences(given, change)
        if absent < given.options.listings:
            report.wrong(change.where, f"deleted after {absent} complete listings without it, and no webhook")


def went_with_account(given, change):
    history = given.histories.get(("account", change.key.partition("/")[0]), ())
    return any(other.op == "d" and (other.batch_no or 0) <= (change.batch_no or 0) for other in history)


def was_gone(given, change):
    """Whether the last answer by id before the delete said that it is gone."""
    last = None
    for line in given.bank.served:
        path, _, name = line["path"].rpartition("/")
        if path not in LISTS or ENTITY[LISTS[path][0]] != change.entity or line["method"] != "GET":
            continue
        if urllib.parse.unquote(name) == change.key and line["answered_ms"] <= change.record.timestamp:
            if line["status"] in (200, 404, 410):
                last = line["status"]
    return last in (404, 410)


def absences(given, change):
    """Complete listings in a row, up to the delete, that lacked the entity."""
    count = 0
    for listing in given.bank.listings:
        if listing.stream != change.stream or not listing.complete or listing.ended_ms > change.record.timestamp:
            continue
        present = any(name == change.key for name, _ in listing.items)
        count = 0 if present else count + 1
    return count


def webhooks(given):
    """When the inbox first held a DELETED webhook for an id: the body as Atlar sends it, or within another object."""
    announced = {}
    for record in given.records("inbox"):
        try:
            body = json.loads(record.value or b"")
        except ValueError:
            continue
        for event in events_in(body):
            if event.get("type") == "DELETED" and event.get("entityId") not in announced:
                announced[event.get("entityId")] = record.timestamp
    return announced


def events_in(value):
    if isinstance(value, dict):
        if "entityId" in value and "type" in value:
            yield value
        for item in value.values():
            yield from events_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from events_in(item)
