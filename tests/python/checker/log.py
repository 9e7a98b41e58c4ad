"""What a partition's log holds: records, transaction markers, and what became of each transaction.

A transaction is told by its producer, as Kafka tells it: it begins with the producer's first record and ends with the
producer's next marker in the same partition. The marker's epoch may be higher than the records', where the broker
aborted for a producer that was fenced.
"""

import dataclasses

COMMITTED, ABORTED, OPEN, PLAIN = "committed", "aborted", "open", "plain"


@dataclasses.dataclass
class Record:
    """One record of a topic. `value` is what was written; `event` is that value decoded, where it is Avro."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list = dataclasses.field(default_factory=list)
    timestamp: int = 0
    producer: int = -1
    epoch: int = -1
    transactional: bool = True
    outcome: str = PLAIN
    # offset of the marker that ended the record's transaction
    ended_at: int | None = None
    event: object = None
    schema_id: int | None = None
    # why the value could not be decoded
    fault: str | None = None

    @property
    def where(self):
        return f"{self.topic}/{self.partition} offset {self.offset} key {text_of(self.key)}"

    @property
    def visible(self):
        """Whether a reader of committed data is given it."""
        return self.outcome in (COMMITTED, PLAIN)

    def header(self, name):
        return next((text for key, text in self.headers if key == name), None)


@dataclasses.dataclass
class Marker:
    offset: int
    producer: int
    epoch: int
    commit: bool


@dataclasses.dataclass
class Partition:
    """A partition as read from offset 0, with everything in it.

    first       offset at which the log begins
    stable      last stable offset: what lies behind it may belong to an open transaction
    end         high watermark
    holes       offsets between first and end at which there is neither a record nor a marker
    delivered   offsets that kafka-python's own consumer delivered under read_committed; None: it was not asked
    """

    topic: str
    number: int
    records: list = dataclasses.field(default_factory=list)
    markers: list = dataclasses.field(default_factory=list)
    first: int = 0
    stable: int = 0
    end: int = 0
    holes: int = 0
    delivered: set | None = None

    @property
    def where(self):
        return f"{self.topic}/{self.number}"


def settle(partition):
    """Says of each record what became of its transaction."""
    running = {}
    markers = sorted(partition.markers, key=lambda marker: marker.offset)
    partition.records.sort(key=lambda record: record.offset)
    at = 0
    for record in partition.records:
        while at < len(markers) and markers[at].offset < record.offset:
            finish(running, markers[at])
            at += 1
        if record.transactional:
            record.outcome, record.ended_at = OPEN, None
            running.setdefault(record.producer, []).append(record)
        else:
            record.outcome = PLAIN
    for marker in markers[at:]:
        finish(running, marker)


def finish(running, marker):
    for record in running.pop(marker.producer, ()):
        record.outcome = COMMITTED if marker.commit else ABORTED
        record.ended_at = marker.offset


def text_of(key):
    """A key for people: a control character in it is shown as such."""
    if key is None:
        return "none"
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in key.decode("utf-8", "replace"))
