"""What was read from the broker as JSON lines, so that a failing run can be kept and checked again.

    {"partition": {"topic", "number", "first", "stable", "end", "holes", "markers": [[offset, producer, epoch, commit]],
                   "delivered": [offset]}}
    {"record": {"topic", "partition", "offset", "timestamp", "key", "value", "headers", "producer", "epoch",
                "transactional"}}           keys and values in hex
    {"schema": {"id", "schema"}}            the text of each schema that a value names
"""

import json

from .log import Marker, Partition, Record
from .report import Unreadable


def save(file, partitions, schemas):
    """Writes what was read; `schemas` are texts by id."""
    for partition in partitions:
        markers = [[marker.offset, marker.producer, marker.epoch, marker.commit] for marker in partition.markers]
        delivered = None if partition.delivered is None else sorted(partition.delivered)
        head = {"topic": partition.topic, "number": partition.number, "first": partition.first,
                "stable": partition.stable, "end": partition.end, "holes": partition.holes, "markers": markers,
                "delivered": delivered}  # fmt: skip
        write(file, {"partition": head})
        for record in partition.records:
            body = {"topic": record.topic, "partition": record.partition, "offset": record.offset,
                    "timestamp": record.timestamp, "key": hexed(record.key), "value": hexed(record.value),
                    "headers": record.headers, "producer": record.producer, "epoch": record.epoch,
                    "transactional": record.transactional}  # fmt: skip
            write(file, {"record": body})
    for number, text in schemas.items():
        write(file, {"schema": {"id": number, "schema": text}})


def load(lines):
    """(partitions, schema texts by id) of a saved file."""
    partitions, schemas = {}, {}
    try:
        for line in lines:
            value = json.loads(line)
            if "partition" in value:
                head = value["partition"]
                head["markers"] = [Marker(*marker) for marker in head["markers"]]
                head["delivered"] = None if head["delivered"] is None else set(head["delivered"])
                partitions[head["topic"], head["number"]] = Partition(**head)
            elif "record" in value:
                body = value["record"]
                body["key"], body["value"] = unhexed(body["key"]), unhexed(body["value"])
                body["headers"] = [tuple(header) for header in body["headers"]]
                partitions[body["topic"], body["partition"]].records.append(Record(**body))
            else:
                schemas[value["schema"]["id"]] = value["schema"]["schema"]
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"not a file that was saved: {error}") from error
    return list(partitions.values()), schemas


def write(file, value):
    file.write(json.dumps(value, ensure_ascii=False) + "\n")


def hexed(data):
    return None if data is None else data.hex()


def unhexed(text):
    return None if text is None else bytes.fromhex(text)
