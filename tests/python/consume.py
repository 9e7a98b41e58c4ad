#!/usr/bin/env python3
"""A plain consumer of the ingestor's topics that shares no code with it.

It reads each topic from offset 0 to its end, committed data only, resolves the schema of each value by its id through
the registry's plain HTTP interface, decodes it, and prints one JSON object per line:

    {"topic", "partition", "partitions", "offset", "timestamp", "key", "headers", "schema_id", "value"}

`headers` is a list of [name, text] pairs, because a repeated name must stay visible. In `value` bytes appear as hex,
decimals as text, instants and dates in ISO 8601. A value that does not decode ends the program with exit code 1.

Committed data: kafka-python asks the broker for its list of aborted transactions, skips their batches, and never hands
out control records; under read_committed a partition's end is its last stable offset. A record of an open transaction
is therefore behind the end and not read.
"""

import argparse
import datetime
import decimal
import io
import json
import sys
import time
import urllib.request

import fastavro
import kafka


class Failure(Exception):
    """What the program ends with: one line for the person who started it."""


class Schemas:
    """Schemas by id, each asked for once."""

    def __init__(self, registry, fetch=None):
        self.registry = registry.rstrip("/")
        self.fetch = fetch or self.fetch_over_http
        self.known = {}

    def fetch_over_http(self, schema_id):
        with urllib.request.urlopen(f"{self.registry}/schemas/ids/{schema_id}", timeout=30) as answer:
            return json.load(answer)["schema"]

    def get(self, schema_id):
        if schema_id not in self.known:
            self.known[schema_id] = fastavro.parse_schema(json.loads(self.fetch(schema_id)))
        return self.known[schema_id]

    def decode(self, message):
        """(schema id, value) of a message: a zero byte, the id in four bytes, then the Avro binary form."""
        if len(message) < 5 or message[0] != 0:
            raise Failure("not in the registry's wire format: it does not begin with a zero byte and an id")
        schema_id = int.from_bytes(message[1:5], "big")
        body = io.BytesIO(message[5:])
        value = fastavro.schemaless_reader(body, self.get(schema_id), None)
        if body.read(1):
            raise Failure(f"bytes are left over after decoding with schema {schema_id}")
        return schema_id, value


def plain(value):
    """A decoded value in terms of JSON."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    return value


def line_of(record, partitions, schemas):
    """The printed form of one record; a null value (a tombstone) stays null."""
    schema_id, value = (None, None) if record.value is None else schemas.decode(record.value)
    return {
        "topic": record.topic,
        "partition": record.partition,
        "partitions": partitions,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": None if record.key is None else record.key.decode("utf-8"),
        "headers": [[name, None if text is None else text.decode("utf-8")] for name, text in record.headers],
        "schema_id": schema_id,
        "value": plain(value),
    }


def connect(arguments):
    settings = {
        "bootstrap_servers": arguments.bootstrap.split(","),
        "isolation_level": arguments.isolation,
        "enable_auto_commit": False,
        "group_id": None,
        "auto_offset_reset": "none",
        "check_crcs": True,
    }
    if arguments.ca:
        with open(arguments.password_file, encoding="utf-8") as file:
            password = file.read().strip()
        settings |= {
            "security_protocol": "SASL_SSL",
            "ssl_cafile": arguments.ca,
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": arguments.username,
            "sasl_plain_password": password,
        }
    return kafka.KafkaConsumer(**settings)


def read_to_end(consumer, topics, wanted, deadline):
    """Every record of the topics, then it ends; with `wanted` it goes on until that many have come."""
    partitions, counts = [], {}
    for topic in topics:
        numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            raise Failure(f"topic {topic} does not exist")
        counts[topic] = len(numbers)
        partitions += [kafka.TopicPartition(topic, number) for number in sorted(numbers)]
    consumer.assign(partitions)
    beginnings = consumer.beginning_offsets(partitions)
    for partition in partitions:
        if beginnings[partition] != 0:
            raise Failure(f"{partition.topic}/{partition.partition} begins at {beginnings[partition]}: history is gone")
        consumer.seek(partition, 0)
    seen = 0
    while True:
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            if time.monotonic() > deadline:
                behind = [f"{p.topic}/{p.partition} at {consumer.position(p)} of {ends[p]}" for p in partitions
                          if consumer.position(p) < ends[p]]
                raise Failure("not at the end in time: " + ", ".join(behind))
            for records in consumer.poll(timeout_ms=200).values():
                for record in records:
                    seen += 1
                    yield record, counts[record.topic]
        if wanted is None or seen >= wanted:
            return
        if time.monotonic() > deadline:
            raise Failure(f"{seen} records in time, {wanted} expected")
        for records in consumer.poll(timeout_ms=200).values():
            for record in records:
                seen += 1
                yield record, counts[record.topic]


def parse(arguments):
    parser = argparse.ArgumentParser(description="Print every committed record of some topics, decoded, as JSON lines")
    parser.add_argument("--bootstrap", required=True, help="brokers, as host:port with commas between")
    parser.add_argument("--registry", required=True, help="base address of the schema registry")
    parser.add_argument("--topics", required=True, help="topics, with commas between")
    parser.add_argument("--expect-count", type=int, help="wait for so many records; another number ends with exit code 1")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for all of it (default 60)")
    parser.add_argument("--isolation", default="read_committed", choices=["read_committed", "read_uncommitted"])
    parser.add_argument("--ca", help="authority's certificate: connect with TLS and SCRAM-SHA-512")
    parser.add_argument("--username", default="ingestor")
    parser.add_argument("--password-file")
    return parser.parse_args(arguments)


def main(arguments):
    arguments = parse(arguments)
    schemas = Schemas(arguments.registry)
    deadline = time.monotonic() + arguments.timeout
    count = 0
    try:
        consumer = connect(arguments)
        try:
            for record, partitions in read_to_end(consumer, arguments.topics.split(","), arguments.expect_count, deadline):
                try:
                    line = line_of(record, partitions, schemas)
                # Whatever keeps a record from being decoded is the answer this program is asked for.
                except Exception as error:
                    where = f"{record.topic}/{record.partition} offset {record.offset}"
                    raise Failure(f"{where}: {error}") from error
                json.dump(line, sys.stdout, ensure_ascii=False)
                sys.stdout.write("\n")
                count += 1
        finally:
            consumer.close()
        if arguments.expect_count is not None and count != arguments.expect_count:
            raise Failure(f"{count} records, {arguments.expect_count} expected")
    except (Failure, kafka.errors.KafkaError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{count} records", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
