"""V4: nothing that the bank served to a living owner is missing."""

import bisect
import collections

from .bank import ENTITY, account_of


def v4(given, report):
    """V4: each version that two consecutive complete listings served to an owner that lived on is on record: as the
    version of an event, or of a state record that says "equal content, this version".

    What it decides on: pairs (id, version) that are in a complete listing of a stream and in the next complete one.
    The owner lived on if it began a third listing of the stream in the session of the first: a listing begins only
    when what the one before it found is committed. Sessions are told by the broker's time of their records, so bank and
    broker must go by one clock. With --once (each run was `run --once` and ended with 0) the last session of each
    process counts too: such a run ends only when all that it listed is committed.

    What it cannot decide: a change under an equal version (at rest V5 sees it); balances of v1, whose versions are in
    no log (V5); who asked: listings of a dry run or of somebody else's client count as the owner's. Not asked for:
    a version below one that was served before (a replica that lagged), what has a dead letter, records that carry no
    version as long as they have an event, and accounts named in --excluded. In a compacted state topic records of
    versions without event may be gone: a higher version on record is taken for an answer then, and counted."""
    if given.bank is None:
        report.missing("no --simulator")
        return
    if given.bank.dropped:
        report.note("answers dropped from the log, so that listings before are not seen")
    record, versionless = on_record(given)
    highest = Highest(given.bank.served)
    for first, second in pairs(given):
        entity = ENTITY[first.kind]
        for name, version in first.items & second.items:
            key = given.bank.key_of(entity, name)
            if key is None or is_excluded(given, first, entity, name):
                continue
            report.count()
            where = f"{given.topic(entity)} key {key}"
            known = record.get((entity, key, first.generation), set())
            if version in known or (entity, key) in versionless:
                continue
            if highest.before(entity, name, first.generation, second.ended_ms) > version:
                report.note("older than what was served before")
            elif any(letter.get("stream") == first.stream for letter in given.letters.get(name, ())):
                report.note("with a dead letter")
            elif given.state.compacted and any(higher > version for higher in known):
                report.note("below a version on record in a compacted topic")
            else:
                report.wrong(where, f"version {version} was in two complete listings of {first.stream}, the second "
                             f"ended at {second.ended_ms}; on record: {sorted(known) or 'nothing'}")
    if not report.checked:
        report.missing("no two complete listings of a stream that an owner outlived")


def on_record(given):
    """Versions by (entity, key, generation), and the keys of records that carry none."""
    versions, versionless = collections.defaultdict(set), set()
    for (entity, key), history in given.histories.items():
        for change in history:
            versions[entity, key, change.generation].add(change.version)
            if change.version is None and change.op != "d":
                versionless.add((entity, key))
    for found in given.state.entities:
        versions[found.entity, found.id, found.generation].add(found.version)
    for known in versions.values():
        known.discard(None)
    return versions, versionless


class Highest:
    """The highest version of an id that any answer before a moment had."""

    def __init__(self, served):
        self.steps = collections.defaultdict(list)
        for line in served:
            if line["kind"] not in ENTITY or line["status"] != 200:
                continue
            generation = 2 if "/v2/" in line["path"] else 1
            for name, version in line["items"]:
                steps = self.steps[ENTITY[line["kind"]], name, generation]
                if not steps or version > steps[-1][1]:
                    steps.append((line["answered_ms"], version))

    def before(self, entity, name, generation, moment):
        steps = self.steps.get((entity, name, generation), [])
        at = bisect.bisect_right([answered for answered, _ in steps], moment)
        return steps[at - 1][1] if at else -1


def pairs(given):
    """Consecutive complete listings of one list whose owner is known to have committed what they found."""
    sessions = given.state.of("session")
    times = [session.record.timestamp for session in sessions]
    last_of_process = {session.value.get("instance"): number for number, session in enumerate(sessions)}

    def session_at(moment):
        """Its place in the row of sessions; -1: before the first."""
        return bisect.bisect_right(times, moment) - 1

    def ended_well(walk):
        number = session_at(walk.begun_ms)
        if number < 0 or number != session_at(walk.ended_ms):
            return False
        return given.options.once and last_of_process[sessions[number].value.get("instance")] == number

    lists = collections.defaultdict(list)
    for listing in given.bank.listings:
        if is_judged(given, listing):
            lists[listing.place].append(listing)
    for walks in lists.values():
        complete = [listing for listing in walks if listing.complete]
        for first, second in zip(complete, complete[1:], strict=False):
            session = session_at(first.begun_ms)
            later = (walk for walk in walks if walk.begun_ms > second.ended_ms)
            outlived = session >= 0 and any(session_at(walk.begun_ms) == session for walk in later)
            if outlived or ended_well(second):
                yield first, second


def is_judged(given, listing):
    """Whether the stream was read in the listing's generation then: a listing before a move is read for ids only."""
    recorded = [control for control in given.state.of("generation") if control.name == listing.stream]
    if not recorded:
        # A list that is only asked whether it is there. Those of one purpose are always read.
        return not listing.stream.startswith(("external-payments/", "balances"))
    first = recorded[0]
    if first.value == listing.generation and first is recorded[-1]:
        return True
    return any(
        control.value == listing.generation and (control is first or control.record.timestamp <= listing.begun_ms)
        for control in recorded
    )


def is_excluded(given, listing, entity, name):
    if not given.options.excluded:
        return False
    if entity == "account":
        return name in given.options.excluded
    found = given.bank.kinds(listing.generation).get(listing.kind, {}).get(name) or {}
    return account_of(found.get("payload")) in given.options.excluded
