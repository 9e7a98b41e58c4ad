#!/usr/bin/env python3
"""The independent checker: reads the topics of a workspace from offset 0, committed and uncommitted, and verifies
that they keep the invariants of the protocol, V1 to V12, and the form of events.

    check.py --bootstrap HOST:PORT --registry URL --prefix atlar
             [--simulator URL]       what the bank served and holds: V3, V4, V5, V10
             [--store-dump FILE]     what the local store holds: V11
             [--quiet-source]        the bank rests, a cycle was completed since, nobody writes: V5, V9
             [--only V1,V4] [--without V11]
    check.py --load FILE …           the same over topics that were read and kept with --save

One line for each rule: how much it checked, what it found, and "not checked: no …" where it lacks an input. Exit code
0: every chosen rule was checked and holds; 1: one is violated; 2: none is known to be violated, but one could not be
checked, or what was to be read cannot be read. What each rule decides, and what it cannot, is in its docstring:
`check.py --explain`.
"""

import argparse
import inspect
import json
import sys
import urllib.error
import urllib.request

import consume
import kafka
from checker import batches, broker, changes, deletes, form, lost, rest, save, store, views
from checker.bank import Bank
from checker.content import load_exact
from checker.given import Given, Options
from checker.log import settle
from checker.report import Report, Unreadable

RULES = {
    "V1": changes.v1, "V2": changes.v2, "V3": changes.v3, "V4": lost.v4, "V5": rest.v5, "V6": views.v6,
    "V7": batches.v7, "V8": batches.v8, "V9": batches.v9, "V10": deletes.v10, "V11": views.v11, "V12": form.v12,
    "partition": form.partitions, "source": form.source, "headers": form.headers, "ce_id": form.event_ids,
}  # fmt: skip


def check(given, names):
    """The reports of the rules with these names."""
    for partition in given.partitions:
        settle(partition)
    reports = []
    for name in names:
        report = Report(name)
        RULES[name](given, report)
        reports.append(report)
    return reports


def verdict(given, reports):
    """The exit code. A check of nothing proves nothing."""
    if any(report.violations for report in reports):
        return 1
    return 2 if any(report.unchecked for report in reports) or not given.changes else 0


# --- reading ----------------------------------------------------------------------------------------------------


def decode(partitions, schemas):
    """Decodes the values of the topics that hold Avro; what does not decode is a finding, not the end."""
    for partition in partitions:
        if not partition.topic.endswith(tuple(f".{name}" for name in form.AVRO)):
            continue
        for record in partition.records:
            if record.value is None:
                continue
            try:
                record.schema_id, event = schemas.decode(record.value)
                record.event = consume.plain(event)
            except (urllib.error.URLError, TimeoutError) as error:
                if not isinstance(error, urllib.error.HTTPError) or error.code != 404:
                    raise
                record.fault = "its schema is not in the registry"
            # Whatever keeps a value from being decoded is the answer that V12 asks for.
            except Exception as error:
                record.fault = f"does not decode: {error}"


def get(url):
    with urllib.request.urlopen(url, timeout=300) as answer:
        return answer.read().decode("utf-8")


def ask_bank(url):
    """The served log and the truth, and the bank's revision, by which a change meanwhile is noticed later."""
    base = url.rstrip("/") + "/_simulator"
    truths = {number: load_exact(get(f"{base}/truth?generation=v{number}")) for number in (1, 2)}
    lines = get(f"{base}/served").splitlines()
    head = json.loads(lines[0])["log"]
    return Bank(
        served=[json.loads(line) for line in lines[1:]],
        truth={number: truth["entities"] for number, truth in truths.items()},
        organization=truths[1]["organization_id"],
        dropped=head["dropped"],
        moved=truths[1]["revision"] != truths[2]["revision"],
    ), truths[1]["revision"]


def revision(url):
    return load_exact(get(f"{url.rstrip('/')}/_simulator/truth?payload=false&kind=accounts"))["revision"]


def read(arguments):
    # The bank's log first: what it served later may not be on the topics yet.
    bank, before = ask_bank(arguments.simulator) if arguments.simulator else (None, None)
    texts = {}
    if arguments.load:
        with open(arguments.load, encoding="utf-8") as lines:
            partitions, texts = save.load(lines)
        schemas = consume.Schemas(arguments.registry or "", texts.get if not arguments.registry else None)
    else:
        consumer = consume.connect(arguments)
        try:
            partitions = broker.read(consumer, arguments.prefix, arguments.settle, arguments.timeout)
        finally:
            consumer.close()
        schemas = consume.Schemas(arguments.registry)
        fetch = schemas.fetch
        schemas.fetch = lambda number: texts.setdefault(number, fetch(number))
    for partition in partitions:
        settle(partition)
    decode(partitions, schemas)
    if arguments.save:
        with open(arguments.save, "w", encoding="utf-8") as file:
            save.save(file, partitions, texts)
    if bank is not None:
        bank.moved = bank.moved or revision(arguments.simulator) != before
    dump = None
    if arguments.store_dump:
        with open(arguments.store_dump, encoding="utf-8") as lines:
            dump = store.read_dump(lines)
    options = Options(
        quiet=arguments.quiet_source, once=arguments.once, before=arguments.before, deletes=arguments.deletes,
        listings=arguments.listings, aborted=arguments.count_aborted, excluded=frozenset(arguments.excluded),
    )  # fmt: skip
    return Given(arguments.prefix, partitions, bank, dump, options)


# --- the program ------------------------------------------------------------------------------------------------


def listed(text):
    return [item for item in text.split(",") if item]


def rules(text):
    unknown = [name for name in listed(text) if name not in RULES]
    if unknown:
        raise argparse.ArgumentTypeError(f"no such rule: {', '.join(unknown)}; there are {', '.join(RULES)}")
    return listed(text)


def parse(arguments):
    parser = argparse.ArgumentParser(description="Verify that a workspace's topics keep the protocol's invariants")
    parser.add_argument("--bootstrap", help="brokers, as host:port with commas between")
    parser.add_argument("--registry", help="base address of the schema registry")
    parser.add_argument("--prefix", default="atlar", help="topic prefix of the workspace (default atlar)")
    parser.add_argument("--simulator", help="address of the simulated bank")
    parser.add_argument("--store-dump", help="dump of the local store, JSON lines")
    parser.add_argument("--quiet-source", action="store_true",
                        help="the bank rests, and a whole cycle was completed since")
    parser.add_argument("--once", action="store_true", help="each run was `run --once` and ended with 0")
    parser.add_argument("--no-before", dest="before", action="store_false", help="updates may come without before")
    parser.add_argument("--no-deletes", dest="deletes", action="store_false", help="deletes need not be published")
    parser.add_argument("--listings", type=int, default=3, help="deletes.listings of the configuration (default 3)")
    parser.add_argument("--excluded", type=listed, default=[], help="accounts that the configuration leaves out")
    parser.add_argument("--only", type=rules, default=list(RULES), help="rules to check, with commas between")
    parser.add_argument("--without", type=rules, default=[], help="rules not to check")
    parser.add_argument("--count-aborted", action="store_true", help="count aborted records too: V1 must fail then")
    parser.add_argument("--settle", type=float, default=75, help="seconds for open transactions to end (default 75)")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for reading (default 300)")
    parser.add_argument("--save", help="keep what was read from the broker in this file")
    parser.add_argument("--load", help="check what was kept in this file instead of a broker's topics")
    parser.add_argument("--show", type=int, default=20, help="violations to print for each rule (default 20)")
    parser.add_argument("--explain", action="store_true", help="print what each rule decides, and check nothing")
    parser.add_argument("--ca", help="authority's certificate: connect with TLS and SCRAM-SHA-512")
    parser.add_argument("--username", default="ingestor")
    parser.add_argument("--password-file")
    parser.set_defaults(isolation="read_committed")
    parsed = parser.parse_args(arguments)
    if not parsed.explain and not parsed.load and not (parsed.bootstrap and parsed.registry):
        parser.error("--bootstrap and --registry are needed, or --load")
    return parsed


def explained(name, text):
    return text if text.startswith(f"{name}:") else f"{name}: {text}"


def main(arguments):
    arguments = parse(arguments)
    if arguments.explain:
        print("\n\n".join(explained(name, inspect.getdoc(rule)) for name, rule in RULES.items()))
        return 0
    try:
        given = read(arguments)
    except (Unreadable, consume.Failure, kafka.errors.KafkaError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    reports = check(given, [name for name in arguments.only if name not in arguments.without])
    for report in reports:
        for line in report.lines(arguments.show):
            print(line)
    if not given.changes:
        print("no event was read: a check of nothing proves nothing")
    return verdict(given, reports)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
