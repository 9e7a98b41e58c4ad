"""V6 and V11: the state topic says what the events say, and the local store what the state topic says."""

from .hashes import blake3

INDEX_KEY_BYTES = 16
# Of the fold and of an entry of the store.
COMPARED = ("fingerprint", "version", "event", "change_no", "batch_no", "resync", "stream", "algorithm", "generation",
            "deleted", "quarantined")  # fmt: skip


def v6(given, report):
    """V6: the fold of the state topic is the last change of each key: number, fingerprint, deleted or not, and the
    place where that event lies. And every state record names an event of its key and number.

    Where a state record was judged in another generation of the API, or by other rules, than the last event (a rebase),
    its fingerprint is that of another text and is not compared; the rest is."""
    for record, what in given.state.damaged:
        report.wrong(record.where, f"cannot be read: {what}")
    at = {(change.entity, change.record.partition, change.record.offset): change for change in given.changes}
    for found in given.state.entities:
        report.count()
        if found.event is None:
            report.wrong(found.record.where, "names no event")
            continue
        change = at.get((found.entity, *found.event))
        if change is None or change.key != found.id or change.number != found.change_no:
            place = f"{given.topic(found.entity)}/{found.event[0]} offset {found.event[1]}"
            report.wrong(found.record.where, f"change {found.change_no} is not at {place}")
    folded = given.state.last()
    for key, history in given.histories.items():
        report.count()
        found, last = folded.get(key), history[-1]
        if found is None:
            report.wrong(last.where, "has no state record")
            continue
        for what in differences(found, last):
            report.wrong(found.record.where, f"{what} of the last event, at {last.where}")
        if (found.generation, found.algorithm) != (last.generation, (last.fingerprint or (None,))[0]):
            report.note("rebased, fingerprint not compared")
    for key in folded.keys() - given.histories.keys():
        report.wrong(folded[key].record.where, "there is no event of it")


def differences(found, last):
    if found.change_no != last.number:
        yield f"change_no {found.change_no}, not {last.number}"
    if found.event != (last.record.partition, last.record.offset):
        yield f"the event is said to be at {found.event}, not in the place"
    if found.deleted != (last.op == "d"):
        yield f"deleted is {found.deleted}, not the outcome"
    rules, text = last.fingerprint or (None, None)
    if (found.generation, found.algorithm) == (last.generation, rules) and found.fingerprint != text:
        yield f"fingerprint {found.fingerprint}, not {text}"
    if found.batch_no == last.batch_no:
        if found.version != last.version:
            yield f"version {found.version}, not {last.version}"
    elif last.batch_no is not None and found.batch_no < last.batch_no:
        yield f"batch {found.batch_no}, below {last.batch_no}"


def v11(given, report):
    """V11: the dump of the local store is the fold of the state topic below the checkpoint's `next_offset`: entries
    and control records, no more and no fewer, and genesis and the count are those of the checkpoint.

    Local knowledge (short cut, seed) is not in the dump, and the sum over the store's bytes is the program's own to
    check. Where the topic was compacted, the record that counted at the checkpoint may be gone for a key that was
    written behind it: such a key is left out, and counted."""
    if given.dump is None:
        report.missing("no --store-dump")
        return
    checkpoint = given.dump.checkpoint
    until = checkpoint["next_offset"]
    if until > given.state.partition.end:
        report.wrong("checkpoint", f"next_offset {until} is beyond the state topic's end")
    genesis = next((control.value.get("id") for control in given.state.of("genesis")), None)
    if checkpoint["genesis"] != genesis:
        report.wrong("checkpoint", f"genesis {checkpoint['genesis']}, not {genesis}")
    if checkpoint["entries"] != len(given.dump.entries):
        report.wrong("checkpoint", f"{checkpoint['entries']} entries, {len(given.dump.entries)} in the store")
    later = {found.record.key for found in given.state.entities if found.record.offset >= until}
    later |= {found.record.key for found in given.state.controls if found.record.offset >= until}
    if not given.state.compacted:
        later = set()
    folded = {index_key(found.record.key): found for found in given.state.last(before=until).values()}
    compare_entries(given, report, folded, {index_key(key) for key in later})
    compare_controls(given, report, until, later)


def compare_entries(given, report, folded, uncertain):
    for key in folded.keys() | given.dump.entries.keys():
        if key in uncertain:
            report.note("written behind the checkpoint in a compacted topic, not compared")
            continue
        report.count()
        found, entry = folded.get(key), given.dump.entries.get(key)
        where = found.record.where if found is not None else f"store entry {key}"
        if entry is None:
            report.wrong(where, "is not in the store")
        elif found is None:
            report.wrong(where, "is not in the state topic")
        else:
            for name in COMPARED:
                if getattr(found, name) != entry[name]:
                    report.wrong(where, f"{name} is {entry[name]!r} in the store, not {getattr(found, name)!r}")


def compare_controls(given, report, until, uncertain):
    folded = given.state.last_controls(before=until)
    for key in folded.keys() | given.dump.controls.keys():
        if key in uncertain:
            report.note("written behind the checkpoint in a compacted topic, not compared")
            continue
        report.count()
        expected = folded[key].record.value if key in folded else None
        if given.dump.controls.get(key) != expected:
            missing = "is not in the store" if key not in given.dump.controls else "is another in the store"
            report.wrong(f"control record {key!r}", missing if key in folded else "is not in the state topic")


def index_key(state_key):
    """The key of an entity's entry, in hex."""
    return blake3(state_key)[:INDEX_KEY_BYTES].hex()
