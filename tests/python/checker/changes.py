"""V1 to V3: the history of each entity, as a reader of committed data gets it, is a legal life."""

import collections

from .bank import ENTITY

OPERATIONS = ("r", "c", "u", "d")
REPEATED = ("resync", "repair")
# So many complete listings must have served a lower version before it is believed.
STALE_LISTINGS = 3


def v1(given, report):
    """V1: per key `change_no` is 1, 2, 3 … in the order of offsets, without gap or repeat.

    Decides from the topics alone. A key's events lie in one partition, which the rule `partition` checks; those in
    another one are appended here, so that they show as a break too."""
    for history in given.histories.values():
        report.count(len(history))
        for expected, change in enumerate(history, start=1):
            if change.number != expected:
                report.wrong(change.where, f"change_no {change.number}, {expected} expected")
                break


def v2(given, report):
    """V2: a life is legal, and nothing is published twice: r or c first, u and d of what lives, c again after d;
    `before` is what was published last; neighbouring fingerprints differ, except where a resync or a repair publishes
    again.

    With --no-before an update may come without `before`; one that is there must be right all the same. A repair fills
    a gap that this checker cannot see, so its `before` is not compared."""
    for history in given.histories.values():
        alive, previous = False, None
        for change in history:
            report.count()
            for what in illegal(given, change, alive, previous):
                report.wrong(change.where, what)
            if previous is not None and is_repeated(change, previous):
                report.wrong(change.where, "the same content was published twice in a row")
            alive, previous = change.op != "d", change


def illegal(given, change, alive, previous):
    op, snapshot = change.op, change.source.get("snapshot")
    if op not in OPERATIONS:
        yield f"op {op!r} is none of r, c, u, d"
    if op == "r" and (previous is not None or change.number != 1):
        yield "op r for an entity that was published before"
    if (op == "r") != (snapshot == "first"):
        yield f"op {op} with snapshot {snapshot!r}"
    if op == "c" and alive:
        yield "op c for an entity that lives"
    if op in ("u", "d") and not alive:
        yield f"op {op} for an entity that does not live"
    if (change.after is None) != (op == "d"):
        yield f"op {op} {'without' if change.after is None else 'with'} after"
    if op in ("r", "c") and change.before is not None:
        yield f"op {op} with before"
    if op in ("u", "d") and change.before is None and given.options.before:
        yield f"op {op} without before"
    if snapshot == "resync":
        if op != "u" or change.before != change.after:
            yield "a resync whose before is not its after"
    elif snapshot != "repair" and change.before is not None and alive and change.before != previous.after:
        yield "before is not what was published last"


def is_repeated(change, previous):
    if change.source.get("snapshot") in REPEATED or "d" in (change.op, previous.op):
        return False
    return change.fingerprint == previous.fingerprint


def v3(given, report):
    """V3: every published version was served, and versions never fall within one generation of the API, except where
    at least three complete listings had served the lower one.

    The log of the bank names ids and versions, so a payload is told by those; that its bytes are the served ones
    is seen only at rest (V5). Nothing is known of versions that a record does not carry. A balance of v1 comes inside
    its account, and its version is in no log: that the account was served is all that is asked."""
    versions = None
    if given.bank is None:
        report.missing("which versions were served: no --simulator")
    elif given.bank.dropped:
        report.missing(f"which versions were served: the log has lost its first {given.bank.dropped} answers")
    else:
        versions = given.bank.versions()
        for entity, name in list(versions):
            if entity == "balance":
                key = given.bank.key_of(entity, name)
                versions.setdefault((entity, key), set()).update(versions[entity, name])
    for (entity, key), history in given.histories.items():
        highest = {}
        for change in history:
            report.count()
            if versions is not None and change.op != "d":
                what = unserved(versions, entity, key, change)
                if what:
                    report.wrong(change.where, what)
            version, top = change.version, highest.get(change.generation)
            if version is None:
                continue
            if top is not None and version < top and not believed(given, change):
                report.wrong(change.where, f"version {version} after {top}")
            highest[change.generation] = version


def unserved(versions, entity, key, change):
    embedded = entity == "balance" and change.generation == 1
    served = versions.get(("account", key.partition("/")[0]) if embedded else (entity, key))
    if served is None:
        return "the bank never served it"
    if embedded or change.version is None or change.version in served:
        return None
    return f"the bank never served version {change.version}"


def believed(given, change):
    """Whether enough complete listings had served the lower version when it was published."""
    if given.bank is None:
        return False
    seen = collections.Counter()
    for listing in given.bank.listings:
        if not listing.complete or listing.generation != change.generation:
            continue
        if ENTITY[listing.kind] != change.entity or listing.ended_ms > change.record.timestamp:
            continue
        names = {given.bank.key_of(change.entity, name) for name, version in listing.items if version == change.version}
        seen[listing.stream] += change.key in names
    return max(seen.values(), default=0) >= STALE_LISTINGS
