"""V12, and the rules without a number: each event is in its place and in its form (docs/events.md)."""

import datetime
import re
import uuid

NAMESPACE = uuid.UUID("563ef20d-3a61-5ddf-934b-d12ece252a10")
WORDS = {"r": "snapshot", "c": "created", "u": "updated", "d": "deleted"}
HEADERS = {
    "ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "ce_dataschema", "content-type",
    "traceparent", "atlar_stream", "atlar_batch", "atlar_fingerprint",
}  # fmt: skip
STREAMS = {
    "account": "accounts",
    "payment": "payments/.+",
    "counterparty": "counterparties",
    "external-payment": "external-payments/.+",
    "balance": "balances",
}
# Topics whose values are in the registry's wire format.
AVRO = (*STREAMS, "scan", "dead-letter")


def v12(given, report):
    """V12: every value decodes with the schema that the registry has under its id, with no byte left over, and every
    event has a key. Aborted ones too: they were written by the same code."""
    topics = {given.topic(name) for name in AVRO}
    for partition in given.partitions:
        if partition.topic not in topics:
            continue
        for record in partition.records:
            report.count()
            if record.key is None or record.value is None:
                report.wrong(record.where, "an event needs a key and a value")
            elif record.fault is not None:
                report.wrong(record.where, record.fault)
            elif not isinstance(record.event, dict):
                report.wrong(record.where, "was not decoded")


def partitions(given, report):
    """A record lies in the partition of its key's murmur2, where Java's default partitioner looks for it, and topics
    have as many partitions as genesis pins."""
    for change in given.changes:
        report.count()
        home = given.home(change.record.topic, change.record.key)
        if change.record.partition != home:
            report.wrong(change.where, f"belongs in partition {home}")
    for genesis in given.state.of("genesis"):
        for topic, number in genesis.value["partitions"].items():
            if given.partition_count(topic) != number:
                report.wrong(topic, f"{given.partition_count(topic)} partitions, genesis says {number}")


def source(given, report):
    """The envelope's source says what the topic, the key and the entity say."""
    for change in given.changes:
        report.count()
        found, entity = change.source, change.after or change.before or {}
        expected = {
            "connector": ("atlar", found.get("connector")),
            "name": (given.prefix, found.get("name")),
            "entity": (change.entity, found.get("entity")),
        }
        if entity:
            expected["id"] = (change.key, entity.get("id"))
            expected["organization_id"] = (entity.get("organization_id"), found.get("organization_id"))
            if "version" in entity:
                expected["entity_version"] = (entity["version"], found.get("entity_version"))
        for name, (wanted, seen) in expected.items():
            if wanted != seen:
                report.wrong(change.where, f"{name} is {seen!r}, {wanted!r} expected")
        allowed = {"snapshot": ("first", "false", "resync", "repair"), "via": ("poll", "webhook"),
                   "api_version": ("v1", "v2")}
        for name, values in allowed.items():
            if found.get(name) not in values:
                report.wrong(change.where, f"{name} is {found.get(name)!r}")
        if not re.fullmatch(STREAMS[change.entity], found.get("stream") or ""):
            report.wrong(change.where, f"stream is {found.get('stream')!r}")


def event_ids(given, report):
    """ce_id is never used twice."""
    seen = {}
    for change in given.changes:
        report.count()
        event = change.record.header("ce_id")
        if event in seen:
            report.wrong(change.where, f"{event} was used at {seen[event]}")
        seen[event] = change.where


def headers(given, report):
    """Headers: each once, none unknown, and each as the envelope says, the event id computed anew."""
    for change in given.changes:
        report.count()
        names = [name for name, _ in change.record.headers]
        for name in sorted(set(names)):
            if names.count(name) > 1:
                report.wrong(change.where, f"{name} is there {names.count(name)} times")
        for name in sorted(set(names) - HEADERS):
            report.wrong(change.where, f"{name} is not one of ours")
        for name, rule in header_rules(change).items():
            text = change.record.header(name)
            if text is None:
                report.wrong(change.where, f"{name} is missing")
            elif not re.fullmatch(rule, text):
                report.wrong(change.where, f"{name} is {text!r}, not {rule}")


def header_rules(change):
    event = uuid.uuid5(NAMESPACE, f"{change.record.topic}/{change.key}/{change.number}")
    return {
        "ce_specversion": r"1\.0",
        "ce_id": re.escape(str(event)),
        "ce_type": re.escape(f"atlar.{change.entity}.{WORDS.get(change.op)}.v1"),
        "ce_source": re.escape(f"/atlar/{change.source.get('organization_id')}/{change.entity}"),
        "ce_subject": re.escape(change.key),
        "ce_time": time_pattern(change.value.get("ts_ms")),
        # no user info before the host: a password would travel with every event
        "ce_dataschema": rf"https?://[^@/]+(/[^@]*)?/schemas/ids/{change.record.schema_id}",
        "content-type": r"application/avro",
        "traceparent": r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}",
        "atlar_stream": re.escape(change.stream or ""),
        "atlar_batch": r"[0-9]+",
        "atlar_fingerprint": r"[0-9]+:[0-9a-f]{32}",
    }


def time_pattern(ts_ms):
    """RFC 3339 in UTC of milliseconds; trailing zeros of the fraction may be left out."""
    if not isinstance(ts_ms, int):
        return "(?!)"
    instant = datetime.datetime.fromtimestamp(ts_ms // 1000, datetime.timezone.utc)
    fraction = f"{ts_ms % 1000:03d}".rstrip("0")
    digits = rf"\.{fraction}0*" if fraction else r"(\.0+)?"
    return instant.strftime("%Y-%m-%dT%H:%M:%S") + digits + r"(Z|\+00:00)"
