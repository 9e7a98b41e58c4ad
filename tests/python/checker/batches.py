"""V7 to V9: transactions, manifests and sessions."""

import collections
import uuid

from .state import ALONE, CHANGED, REBUILT


def v7(given, report):
    """V7: a batch is one committed transaction, and its manifest tells what is in it: so many events in each partition
    up to the last offset, their ids, so many state records, nothing more and nothing less. Nothing is visible without
    a manifest, but genesis, sessions and the changes of host and group, each alone in a transaction or these two
    together, and genesis with the record that a rebuild has begun. No producer epoch is used for two transactions.

    What was committed is told by the markers of the uncommitted read, and compared with what kafka-python's consumer
    delivers under read_committed. In a compacted state topic the manifests of old batches are gone, and in a rebuilt
    one those from before: their events are counted and not checked. So are dead letters where their topic has begun
    to forget."""
    for partition in given.partitions:
        check_delivered(given, partition, report)
    events = collections.defaultdict(lambda: collections.defaultdict(list))
    lowest = None
    for partition in given.partitions:
        if partition.topic != given.topic("state"):
            for record in partition.records:
                if record.visible and record.header("atlar_batch") is not None:
                    events[record.header("atlar_batch")][partition.topic, partition.number].append(record)
    epochs = {}
    for transaction in given.state.transactions():
        writer = (transaction[0].producer, transaction[0].epoch)
        if writer in epochs:
            report.wrong(transaction[0].where, f"the epoch of {epochs[writer]} is used again")
        epochs[writer] = transaction[0].where
        manifest = check_transaction(given, report, transaction)
        if manifest is not None:
            number = manifest.value["batch_no"]
            lowest = number if lowest is None else lowest
            check_events(given, report, manifest, events.pop(str(number), {}))
    for number, places in events.items():
        records = [record for place in places.values() for record in place]
        forgotten = given.state.compacted or given.state.rebuilt
        if forgotten and number.isdigit() and (lowest is None or int(number) < lowest):
            report.note("batches whose manifest is compacted away, their events not checked")
            continue
        for record in records:
            report.wrong(record.where, f"batch {number} has no manifest")


def check_delivered(given, partition, report):
    # Whoever receives webhooks writes to the inbox, without transactions.
    ours = partition.topic != given.topic("inbox")
    for record in partition.records:
        if ours and record.visible and not record.transactional:
            report.wrong(record.where, "was written outside any transaction")
        if partition.delivered is not None and record.offset < partition.stable:
            if record.visible != (record.offset in partition.delivered):
                word = "is not" if record.visible else "is"
                report.wrong(record.where, f"its transaction is {record.outcome}, and it {word} delivered")
    known = {record.offset for record in partition.records}
    for offset in sorted((partition.delivered or set()) - known):
        report.wrong(f"{partition.where} offset {offset}", "is delivered and was not there")


def check_transaction(given, report, transaction):
    """One transaction of the state topic; its manifest, if it is a batch."""
    report.count()
    by_record = {id(control.record): control for control in given.state.controls}
    controls = [by_record.get(id(record)) for record in transaction]
    last = controls[-1]
    manifests = [control for control in controls if control is not None and control.kind == "manifest"]
    if not manifests:
        kinds = [control and control.kind for control in controls]
        if given.state.compacted:
            report.note("transactions without manifest in a compacted topic, not checked")
        elif kinds not in (REBUILT, CHANGED) and (len(transaction) > 1 or kinds[0] not in ALONE):
            report.wrong(transaction[-1].where, "a transaction without a manifest")
        return None
    if manifests != [last]:
        report.wrong(transaction[-1].where, "a manifest is not the one last record of its transaction")
        return None
    offsets = [record.offset for record in transaction]
    if not given.state.compacted:
        if offsets != list(range(offsets[0], offsets[0] + len(offsets))):
            report.wrong(last.record.where, "the records of the batch are not in a row")
        if last.value["state_records"] != len(transaction) - 1:
            report.wrong(last.record.where, f"{len(transaction) - 1} state records, the manifest says "
                         f"{last.value['state_records']}")
    inside = {id(record) for record in transaction}
    for found in given.state.entities:
        if id(found.record) in inside and found.batch_no != last.value["batch_no"]:
            report.wrong(found.record.where, f"batch {found.batch_no} in batch {last.value['batch_no']}")
    return last


def check_events(given, report, manifest, places):
    value, where = manifest.value, manifest.record.where
    told = {(total["topic"], total["partition"]): total for total in value["partitions"]}
    forgetful = {(p.topic, p.number) for p in given.partitions if p.first > 0}
    xor, count, whole = 0, 0, True
    for place in sorted(told.keys() | places.keys()):
        records, total = places.get(place, []), told.get(place)
        report.count(len(records))
        if place in forgetful:
            report.note("batches with records in a topic that has begun to forget, counted in part")
            whole = False
            continue
        here = (len(records), max((record.offset for record in records), default=None))
        said = (total["count"], total["last_offset"]) if total else (0, None)
        if here != said:
            report.wrong(where, f"{place[0]}/{place[1]} has {here[0]} events up to {here[1]}, the manifest says "
                         f"{said[0]} up to {said[1]}")
        count += len(records)
        for record in records:
            xor ^= first_half(record.header("ce_id"))
            if (record.producer, record.epoch) != (manifest.record.producer, manifest.record.epoch):
                report.wrong(record.where, f"is in another transaction than the manifest of batch {value['batch_no']}")
    if whole and (value["events"], value["change_xor"]) != (count, f"{xor:016x}"):
        report.wrong(where, f"{count} events whose ids come to {xor:016x}, the manifest says {value['events']} and "
                     f"{value['change_xor']}")


def first_half(text):
    """The first eight bytes of an event's id."""
    try:
        return uuid.UUID(text).int >> 64
    except (AttributeError, TypeError, ValueError):
        return 0


def v8(given, report):
    """V8: genesis is the first record and the only one; batch numbers are 1, 2, 3 … over the life of the workspace;
    each manifest is of the session that began last before it, and no session begins twice. In each partition of events
    the batch numbers never fall.

    In a compacted state topic only rising numbers can be seen, and the last session. In a rebuilt one the numbers go on
    from those of the events."""
    controls = given.state.controls
    if not controls or controls[0].kind != "genesis" or len(given.state.of("genesis")) != 1:
        report.wrong(given.topic("state"), "genesis is not its first record, or not the only one of its kind")
    session, seen, last = None, set(), 0
    for control in controls:
        if control.kind == "session":
            report.count()
            session = control.value.get("id")
            if session in seen:
                report.wrong(control.record.where, f"session {session} began before")
            seen.add(session)
        elif control.kind == "manifest":
            report.count()
            number = control.value["batch_no"]
            rises = given.state.compacted or (given.state.rebuilt and last == 0)
            if number <= last if rises else number != last + 1:
                report.wrong(control.record.where, f"batch {number} after {last}")
            last = number
            # Behind a compaction the session's own record is there as long as it is the last.
            if control.value["session"] != session and not (given.state.compacted and session is None):
                report.wrong(control.record.where, f"session {control.value['session']} in the time of {session}")
    highest = {}
    for change in given.changes:
        place = change.record.topic, change.record.partition
        number = change.batch_no
        if number is None or number < highest.get(place, 0):
            report.wrong(change.where, f"batch {number} after {highest.get(place, 0)}")
        highest[place] = max(highest.get(place, 0), number or 0)


def v9(given, report):
    """V9: at rest no transaction hangs: the last stable offset is the high watermark in every partition, and no record
    lies in a transaction without marker. It needs the promise of --quiet-source; that nobody writes now."""
    if not given.options.quiet:
        report.missing("no --quiet-source")
        return
    for partition in given.partitions:
        report.count()
        if partition.stable != partition.end:
            report.wrong(partition.where, f"last stable offset {partition.stable}, high watermark {partition.end}")
        still = [record.offset for record in partition.records if record.outcome == "open"]
        if still:
            report.wrong(partition.where, f"{len(still)} records in an open transaction, from offset {still[0]} on")
