"""The state topic, read from docs/state-format.md."""

import dataclasses
import json
import struct

FORMAT = 1
DELETED, QUARANTINED, HAS_VERSION, HAS_EVENT = 1, 2, 4, 8
FIXED = struct.Struct(">BBBBiqQ16sqQI")

# Longest first, so that no name hides another.
KINDS = {
    b"\0J/third-party/": "third party",
    b"\0J/own-identifier/": "own identifier",
    b"\0J/external-account/": "external account",
    b"\0C/": "cycle",
    b"\0L/": "list",
    b"\0V/": "generation",
    b"\0D/": "dead letter",
    b"\0H/": "hold",
    b"\0G": "genesis",
    b"\0S": "session",
    b"\0M": "manifest",
    b"\0O": "organisation",
    b"\0E": "source",
    b"\0B": "host",
    b"\0U": "group",
    b"\0R": "resync",
    b"\0W": "rebuild",
}
NAMED = {kind for key, kind in KINDS.items() if key.endswith(b"/")}
# Written in a transaction of their own, without a manifest.
ALONE = {"genesis", "session", "host", "group"}
# By one setup in one transaction.
CHANGED = ["group", "host"]
# So begins a state that was lost and taken from the events.
REBUILT = ["genesis", "rebuild"]


@dataclasses.dataclass
class Entity:
    """The record of one entity."""

    record: object
    entity: str
    id: str
    deleted: bool
    quarantined: bool
    algorithm: int
    generation: int
    # partition and offset of its last event
    event: tuple | None
    change_no: int
    fingerprint: str
    version: int | None
    batch_no: int
    resync: int
    stream: str

    @property
    def key(self):
        return self.entity, self.id


@dataclasses.dataclass
class Control:
    """A control record. `name` is what follows in its key: the stream, the id."""

    record: object
    kind: str
    name: str
    value: object


class Damaged(Exception):
    """A record that is not as the page says."""


def read_entity(record):
    entity, _, name = record.key.partition(b"\0")
    if record.value is None:
        raise Damaged("a tombstone for an entity")
    if len(record.value) < FIXED.size:
        raise Damaged(f"{len(record.value)} bytes are too few for an entity's record")
    (form, flags, algorithm, generation, partition, offset, change_no, fingerprint, version, batch_no,
     resync) = FIXED.unpack_from(record.value)  # fmt: skip
    if form != FORMAT:
        raise Damaged(f"format {form}")
    if flags & ~(DELETED | QUARANTINED | HAS_VERSION | HAS_EVENT):
        raise Damaged(f"unknown flags {flags:#x}")
    if not flags & HAS_EVENT and (partition, offset) != (-1, -1):
        raise Damaged("a place of an event, and no flag for it")
    if not flags & HAS_VERSION and version != 0:
        raise Damaged("a version, and no flag for it")
    return Entity(
        record=record, entity=entity.decode(), id=name.decode(),
        deleted=bool(flags & DELETED), quarantined=bool(flags & QUARANTINED),
        algorithm=algorithm, generation=generation,
        event=(partition, offset) if flags & HAS_EVENT else None,
        change_no=change_no, fingerprint=fingerprint.hex(),
        version=version if flags & HAS_VERSION else None,
        batch_no=batch_no, resync=resync, stream=record.value[FIXED.size :].decode(),
    )  # fmt: skip


def read_control(record):
    """None for a kind that a later release of the same format added."""
    found = next((prefix for prefix in KINDS if matches(record.key, prefix)), None)
    if record.value is None:
        raise Damaged("a tombstone for a control record")
    if record.value[:1] != bytes([FORMAT]):
        raise Damaged(f"format {record.value[:1].hex() or 'missing'}")
    if found is None:
        return None
    value = json.loads(record.value[1:].decode())
    return Control(record, KINDS[found], record.key[len(found) :].decode(), value)


def matches(key, prefix):
    return key.startswith(prefix) if prefix.endswith(b"/") else key == prefix


class State:
    """What a reader of committed data finds in the state topic, in the order of offsets."""

    def __init__(self, partition):
        self.partition = partition
        self.entities, self.controls, self.damaged = [], [], []
        for record in partition.records:
            if record.visible:
                self.add(record)
        self.compacted = partition.holes > 0

    def add(self, record):
        try:
            if record.key is None or len(record.key) == 4:
                raise Damaged("no key, or one of four bytes")
            if record.key[:1] == b"\0":
                control = read_control(record)
                if control is not None:
                    self.controls.append(control)
            elif b"\0" in record.key:
                self.entities.append(read_entity(record))
            else:
                raise Damaged("a key without a zero byte")
        except (Damaged, ValueError) as error:
            self.damaged.append((record, str(error)))

    def of(self, kind):
        return [control for control in self.controls if control.kind == kind]

    @property
    def rebuilt(self):
        """Whether it was taken from the events: the manifests of the batches before are lost."""
        return bool(self.of("rebuild"))

    def last(self, before=None):
        """The last record of each entity, of those below an offset: the fold."""
        return {found.key: found for found in self.entities if before is None or found.record.offset < before}

    def last_controls(self, before):
        """The last control record of each key below an offset, those of unknown kinds left out."""
        return {found.record.key: found for found in self.controls if found.record.offset < before}

    def transactions(self):
        """The visible records, one list for each transaction."""
        groups = {}
        for record in self.partition.records:
            if record.visible:
                groups.setdefault((record.producer, record.ended_at), []).append(record)
        return list(groups.values())
