#!/usr/bin/env python3
"""Checks what consume.py printed against the promises, and against what the simulated bank says is true.

Each rule is a function from records to findings and each has a test that shows it can fail (test_check_basics.py).
The rules' numbers, V1 to V12, are those of the protocol's invariants; the others have a word. Nothing here is taken
from the program under test: murmur2, the event id and the comparison of contents are written anew.

usage: consume.py … | check_basics.py [--truth URL or file] [--prefix atlar] [--no-before] [--no-deletes]
"""

import argparse
import collections
import datetime
import json
import re
import sys
import urllib.parse
import urllib.request
import uuid

NAMESPACE = uuid.UUID("563ef20d-3a61-5ddf-934b-d12ece252a10")

KINDS = {
    "accounts": "account",
    "counterparties": "counterparty",
    "transactions": "payment",
    "external-payments": "external-payment",
}

WORDS = {"r": "snapshot", "c": "created", "u": "updated", "d": "deleted"}

HEADERS = {
    "ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "ce_dataschema", "content-type",
    "traceparent", "atlar_stream", "atlar_batch", "atlar_fingerprint",
}  # fmt: skip

# What moves in a record without meaning, at any depth; of an account also the embedded balance.
MOVING = {"version", "etag", "updated"}

Finding = collections.namedtuple("Finding", "rule where what")


def murmur2(data):
    """The hash by which Java's default partitioner places a key (Austin Appleby's MurmurHash2, seed 0x9747b28c)."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        k = int.from_bytes(data[start : start + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def partition_of(key, partitions):
    return (murmur2(key.encode("utf-8")) & 0x7FFFFFFF) % partitions


def where_of(record):
    return f"{record['topic']}/{record['partition']} offset {record['offset']} key {record['key']}"


def entity_of(record, prefix):
    return record["topic"].removeprefix(prefix + ".")


def by_key(records):
    """Histories: the records of each key of each topic in the order of their offsets, per partition."""
    histories = collections.defaultdict(list)
    for record in sorted(records, key=lambda r: (r["topic"], r["partition"], r["offset"])):
        histories[record["topic"], record["key"]].append(record)
    return histories


def get(value, *names):
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def number_of(record):
    return get(record, "value", "source", "change_no")


def header(record, name):
    return next((text for key, text in record["headers"] if key == name), None)


# --- rules over the topics alone ------------------------------------------------------------------------------


def check_change_numbers(records, _options):
    """V1: per key change_no is 1, 2, 3 … in the order of offsets, without gap or repeat."""
    for history in by_key(records).values():
        for expected, record in enumerate(history, start=1):
            if number_of(record) != expected:
                yield Finding("V1", where_of(record), f"change_no {number_of(record)}, {expected} expected")
                break


def check_partitions(records, _options):
    """A record lies in the partition of its key's murmur2, where Java's default partitioner looks for it."""
    for record in records:
        expected = partition_of(record["key"] or "", record["partitions"])
        if record["partition"] != expected:
            yield Finding("partition", where_of(record), f"belongs in partition {expected}")


def check_operations(records, options):
    """V2: op, before and after form a legal life: r or c first, u and d of what lives, c again after d."""
    for history in by_key(records).values():
        alive, last, ever = False, None, False
        for record in history:
            value = record["value"]
            for what in illegal(value, alive, ever, last, options):
                yield Finding("V2", where_of(record), what)
            alive, ever = get(value, "op") != "d", True
            last = get(value, "after")


def illegal(value, alive, ever, last, options):
    op, before, after = get(value, "op"), get(value, "before"), get(value, "after")
    if op not in WORDS:
        yield f"op {op!r} is none of r, c, u, d"
    if op == "r" and (ever or get(value, "source", "change_no") != 1):
        yield "op r for an entity that was published before"
    if op == "c" and alive:
        yield "op c for an entity that lives"
    if op in ("u", "d") and not alive:
        yield f"op {op} for an entity that does not live"
    if (after is None) != (op == "d"):
        yield f"op {op} {'without' if after is None else 'with'} after"
    if op in ("r", "c") and before is not None:
        yield f"op {op} with before"
    if op in ("u", "d") and before is None and options.before:
        yield f"op {op} without before"
    if before is not None and alive and before != last:
        yield "before is not what was published last"


def check_neighbours(records, _options):
    """V2: neighbouring fingerprints differ, except where a resync or a repair publishes again."""
    for history in by_key(records).values():
        for previous, record in zip(history, history[1:]):
            if get(record, "value", "source", "snapshot") in ("resync", "repair"):
                continue
            if "d" in (get(record, "value", "op"), get(previous, "value", "op")):
                continue
            if header(record, "atlar_fingerprint") == header(previous, "atlar_fingerprint"):
                yield Finding("V2", where_of(record), "the same content was published twice in a row")


def check_versions(records, _options):
    """V3: the version never falls within one generation of the API."""
    for history in by_key(records).values():
        highest = {}
        for record in history:
            source = get(record, "value", "source") or {}
            version, generation = source.get("entity_version"), source.get("api_version")
            if version is None:
                continue
            if version < highest.get(generation, version):
                yield Finding("V3", where_of(record), f"version {version} after {highest[generation]}")
            highest[generation] = version


def check_source(records, options):
    """The envelope's source says what the topic, the key and the entity say."""
    for record in records:
        value = record["value"]
        source = get(value, "source") or {}
        entity = get(value, "after") or get(value, "before") or {}
        expected = {
            "connector": ("atlar", source.get("connector")),
            "name": (options.prefix, source.get("name")),
            "entity": (entity_of(record, options.prefix), source.get("entity")),
        }
        if entity:
            expected["id"] = (record["key"], entity.get("id"))
            expected["organization_id"] = (entity.get("organization_id"), source.get("organization_id"))
            if "version" in entity:
                expected["entity_version"] = (entity["version"], source.get("entity_version"))
        for name, (wanted, found) in expected.items():
            if wanted != found:
                yield Finding("source", where_of(record), f"{name} is {found!r}, {wanted!r} expected")
        for name, allowed in (("snapshot", ("first", "false", "resync", "repair")), ("via", ("poll", "webhook"))):
            if source.get(name) not in allowed:
                yield Finding("source", where_of(record), f"{name} is {source.get(name)!r}")
        if not re.fullmatch(stream_pattern(source.get("entity")), source.get("stream") or ""):
            yield Finding("source", where_of(record), f"stream is {source.get('stream')!r}")


def stream_pattern(entity):
    return {
        "account": "accounts",
        "payment": "payments/.+",
        "counterparty": "counterparties",
        "external-payment": "external-payments/.+",
        "balance": "balances",
    }.get(entity, "(?!)")


def check_event_ids(records, _options):
    """ce_id is never used twice."""
    seen = {}
    for record in records:
        event = header(record, "ce_id")
        if event in seen:
            yield Finding("ce_id", where_of(record), f"{event} was used at {seen[event]}")
        seen[event] = where_of(record)


def check_headers(records, options):
    """Headers: each once, none unknown, and each as the envelope says, the event id computed anew."""
    for record in records:
        names = [name for name, _ in record["headers"]]
        for name in sorted(set(names)):
            if names.count(name) > 1:
                yield Finding("headers", where_of(record), f"{name} is there {names.count(name)} times")
        for name in sorted(set(names) - HEADERS):
            yield Finding("headers", where_of(record), f"{name} is not one of ours")
        for name, rule in header_rules(record, options).items():
            text = header(record, name)
            if text is None:
                yield Finding("headers", where_of(record), f"{name} is missing")
            elif not re.fullmatch(rule, text):
                yield Finding("headers", where_of(record), f"{name} is {text!r}, not {rule}")


def header_rules(record, options):
    source = get(record, "value", "source") or {}
    entity = entity_of(record, options.prefix)
    event = uuid.uuid5(NAMESPACE, f"{record['topic']}/{record['key']}/{source.get('change_no')}")
    return {
        "ce_specversion": r"1\.0",
        "ce_id": re.escape(str(event)),
        "ce_type": re.escape(f"atlar.{entity}.{WORDS.get(get(record, 'value', 'op'))}.v1"),
        "ce_source": re.escape(f"/atlar/{source.get('organization_id')}/{entity}"),
        "ce_subject": re.escape(record["key"] or ""),
        "ce_time": time_pattern(get(record, "value", "ts_ms")),
        # no user info before the host: a password would travel with every event
        "ce_dataschema": rf"https?://[^@/]+(/[^@]*)?/schemas/ids/{record['schema_id']}",
        "content-type": r"application/avro",
        "traceparent": r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}",
        "atlar_stream": re.escape(source.get("stream") or ""),
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


# --- rules against the bank's truth ---------------------------------------------------------------------------


def check_truth(records, options):
    """V5: at rest the last event of each key is what the bank holds, and nothing else was published."""
    histories, entities = by_key(records), options.truth.get("entities", {})
    for record in records:
        organization = get(record, "value", "source", "organization_id")
        if organization != options.truth.get("organization_id"):
            yield Finding("V5", where_of(record), f"organization {organization!r} is not the bank's")
    for kind, entity in KINDS.items():
        topic = f"{options.prefix}.{entity}"
        published = {key: history[-1] for (name, key), history in histories.items() if name == topic}
        held = entities.get(kind)
        if held is None:
            yield Finding("V5", topic, f"the truth says nothing about {kind}")
            continue
        for key, true in held.items():
            yield from compare(topic, key, true, published.get(key), entity, options)
        for key in published.keys() - held.keys():
            yield Finding("V5", where_of(published[key]), "the bank never had it")


def compare(topic, key, true, record, entity, options):
    lives = record is not None and get(record, "value", "op") != "d"
    # false, or the status with which the bank answers for it since: 404 or 410
    if true.get("deleted"):
        if lives and options.deletes:
            yield Finding("V5", where_of(record), "was deleted by the bank and lives on the topic")
        return
    if record is None:
        yield Finding("V4", f"{topic} key {key}", "is held by the bank and was never published")
        return
    if not lives:
        yield Finding("V5", where_of(record), "is held by the bank and deleted on the topic")
        return
    raw = get(record, "value", "after", "raw")
    same_version = str(true.get("version")) == str(get(record, "value", "source", "entity_version"))
    if raw is None or true.get("payload") is None:
        if not same_version:
            yield Finding("V5", where_of(record), f"version {get(record, 'value', 'source', 'entity_version')}, "
                          f"the bank holds {true.get('version')}")
        return
    # A higher version with equal content is no event, so the content decides, not the version.
    payload = true["payload"]
    if isinstance(payload, str):
        payload = load_exact(payload)
    if canonical(load_exact(raw), entity) != canonical(payload, entity):
        yield Finding("V5", where_of(record), "its content is not what the bank holds"
                      + ("" if same_version else " (an older version)"))


class Number(str):
    """A number as it was sent: 1.0 and 1 are different texts, and no digit of an amount may be lost."""


def load_exact(text):
    return json.loads(text, parse_int=Number, parse_float=Number)


def canonical(value, entity=None):
    """Content for comparison: without what means nothing, and without what moves without meaning."""
    if isinstance(value, dict):
        left_out = MOVING | ({"balance"} if entity == "account" else set())
        items = {name: canonical(item) for name, item in value.items() if name not in left_out}
        return {name: item for name, item in items.items() if item not in (None, "", {}) or isinstance(item, Number)}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Number(json.dumps(value))
    return value


# --- the program ----------------------------------------------------------------------------------------------

TOPIC_RULES = [
    check_change_numbers, check_partitions, check_operations, check_neighbours, check_versions, check_source,
    check_event_ids, check_headers,
]  # fmt: skip


def check(records, options):
    """All findings. A record without key or value is one itself and taken out before the rules see it."""
    findings, whole = [], []
    for record in records:
        if record["key"] is None or record["value"] is None:
            findings.append(Finding("record", where_of(record), "an event needs a key and a value"))
        else:
            whole.append(record)
    for rule in TOPIC_RULES + ([check_truth] if options.truth is not None else []):
        findings.extend(rule(whole, options))
    return findings


def read_truth(place):
    if urllib.parse.urlparse(place).scheme in ("http", "https"):
        with urllib.request.urlopen(place, timeout=60) as answer:
            return load_exact(answer.read().decode("utf-8"))
    with open(place, encoding="utf-8") as file:
        return load_exact(file.read())


def parse(arguments):
    parser = argparse.ArgumentParser(description="Check printed records against the promises and the bank's truth")
    parser.add_argument("records", nargs="?", help="file of JSON lines from consume.py (default: standard input)")
    parser.add_argument("--truth", help="/_simulator/truth of the simulator: address or file")
    parser.add_argument("--prefix", default="atlar", help="topic prefix (default atlar)")
    parser.add_argument("--no-before", dest="before", action="store_false", help="u and d may come without before")
    parser.add_argument("--no-deletes", dest="deletes", action="store_false", help="deletes need not be published")
    parser.add_argument("--show", type=int, default=20, help="findings to print (default 20)")
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    with open(options.records, encoding="utf-8") if options.records else sys.stdin as lines:
        records = [json.loads(line) for line in lines if line.strip()]
    options.truth = read_truth(options.truth) if options.truth else None
    findings = check(records, options)
    for finding in findings[: options.show]:
        print(f"{finding.rule}: {finding.where}: {finding.what}", file=sys.stderr)
    if len(findings) > options.show:
        print(f"and {len(findings) - options.show} more", file=sys.stderr)
    counts = collections.Counter(record["topic"] for record in records)
    print(json.dumps({"records": len(records), "topics": dict(counts), "findings": len(findings)}))
    # A check of nothing proves nothing.
    return 1 if findings or not records else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
