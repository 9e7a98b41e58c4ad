"""All that was read, and the views of it that several rules need."""

import collections
import dataclasses
import functools

from .hashes import partition_of
from .log import Record
from .state import State

ENTITIES = ("account", "counterparty", "payment", "external-payment", "balance")


@dataclasses.dataclass
class Options:
    """What the caller promises about the run.

    quiet       the bank has not changed since before the last complete cycle, and nobody writes to the topics now
    once        each run of the ingestor was `run --once` and ended with 0
    before      updates and deletes carry what was published before
    deletes     deletes are published
    listings    complete listings that an entity must be absent from before it is deleted
    aborted     aborted records count like committed ones: a check of the checker, which must then find faults
    excluded    accounts that the configuration leaves out
    """

    quiet: bool = False
    once: bool = False
    before: bool = True
    deletes: bool = True
    listings: int = 3
    aborted: bool = False
    excluded: frozenset = frozenset()


class Given:
    """What was read of one workspace. `bank` and `dump` are None where they were not given."""

    def __init__(self, prefix, partitions, bank=None, dump=None, options=None):
        self.prefix = prefix
        self.partitions = partitions
        self.bank = bank
        self.dump = dump
        self.options = options or Options()

    def topic(self, name):
        return f"{self.prefix}.{name}"

    def name_of(self, topic):
        return topic.removeprefix(self.prefix + ".")

    def records(self, *names):
        """The records of some topics that count, by topic, partition and offset."""
        topics = {self.topic(name) for name in names}
        return [
            record
            for partition in sorted(self.partitions, key=lambda p: (p.topic, p.number))
            if partition.topic in topics
            for record in partition.records
            if record.visible or self.options.aborted
        ]

    @functools.cached_property
    def state(self):
        return State(next(p for p in self.partitions if p.topic == self.topic("state")))

    @functools.cached_property
    def changes(self):
        """The change events: of the five topics of entities, decoded, with a key."""
        return [Change(self, r) for r in self.records(*ENTITIES) if r.key is not None and isinstance(r.event, dict)]

    @functools.cached_property
    def histories(self):
        """Changes of each (entity, key), in the order of offsets in a partition."""
        histories = collections.defaultdict(list)
        for change in self.changes:
            histories[change.entity, change.key].append(change)
        return histories

    @functools.cached_property
    def letters(self):
        """Dead letters by the id of their record, where it has one."""
        letters = collections.defaultdict(list)
        for record in self.records("dead-letter"):
            if isinstance(record.event, dict) and record.event.get("id") is not None:
                letters[record.event["id"]].append(record.event)
        return letters

    def partition_count(self, topic):
        return sum(1 for partition in self.partitions if partition.topic == topic)

    def home(self, topic, key):
        return partition_of(key, self.partition_count(topic))


class Change:
    """A change event in the words of the rules."""

    def __init__(self, given, record: Record):
        self.record = record
        self.entity = given.name_of(record.topic)
        self.key = record.key.decode("utf-8", "replace")

    @property
    def where(self):
        return self.record.where

    @property
    def value(self):
        return self.record.event

    @property
    def source(self):
        found = self.value.get("source")
        return found if isinstance(found, dict) else {}

    @property
    def op(self):
        return self.value.get("op")

    @property
    def before(self):
        return self.value.get("before")

    @property
    def after(self):
        return self.value.get("after")

    @property
    def number(self):
        return self.source.get("change_no")

    @property
    def version(self):
        return self.source.get("entity_version")

    @property
    def generation(self):
        return {"v1": 1, "v2": 2}.get(self.source.get("api_version"))

    @property
    def stream(self):
        return self.source.get("stream")

    @property
    def fingerprint(self):
        """(number of the rules, hex), or None."""
        rules, _, text = (self.record.header("atlar_fingerprint") or "").partition(":")
        return (int(rules), text) if rules.isdigit() else None

    @property
    def batch_no(self):
        text = self.record.header("atlar_batch") or ""
        return int(text) if text.isdigit() else None
