"""Reads the topics of a workspace as they are in the log.

kafka-python's consumer skips control records, drops the batches of aborted transactions under read_committed, and never
says which producer wrote a record. What a transaction was is in the record batches, so they are fetched with
kafka-python's own request and taken apart with its own parser: read_uncommitted, everything in the log, markers
included. A second read with the plain consumer under read_committed gives the offsets that a reader is handed; rule V7
compares the two.
"""

import threading
import time

import kafka
import kafka.errors
from kafka.protocol.consumer import FetchRequest
from kafka.record.memory_records import MemoryRecords

from .given import ENTITIES
from .log import Marker, Partition, Record
from .report import Unreadable

NEEDED = (*ENTITIES, "dead-letter", "state")
OPTIONAL = ("scan", "inbox")
# Their history may go, so they may begin behind 0.
FORGETFUL = ("dead-letter", "inbox", "scan")
FETCH_BYTES = 8 << 20
# The last version that names topics by name, of which the parser knows each field.
FETCH_VERSION = 11
REQUEST_MS = 30_000
READ_UNCOMMITTED = 0


def read(consumer, prefix, settle, timeout):
    """The partitions of a workspace, from offset 0 to their ends, by a consumer under read_committed.

    First it waits, at most `settle` seconds, until no transaction is open: that of a writer that was killed ends when
    the broker's time for it is up."""
    topics = [f"{prefix}.{name}" for name in NEEDED]
    partitions = []
    for topic in topics + [f"{prefix}.{name}" for name in OPTIONAL]:
        numbers = consumer.partitions_for_topic(topic)
        if not numbers and topic in topics:
            raise Unreadable(f"topic {topic} does not exist")
        partitions += [kafka.TopicPartition(topic, number) for number in sorted(numbers or ())]
    begin = consumer.beginning_offsets(partitions)
    for partition in partitions:
        name = partition.topic.removeprefix(prefix + ".")
        if begin[partition] != 0 and name not in FORGETFUL:
            raise Unreadable(f"{partition.topic}/{partition.partition} begins at {begin[partition]}: history is gone")
    source = Source(consumer)
    wait_for_ends(source, partitions, begin, settle)
    deadline = time.monotonic() + timeout
    read_by_number = {p: read_partition(source, p, begin[p], deadline) for p in partitions}
    deliver(consumer, read_by_number, begin, deadline)
    return list(read_by_number.values())


class Source:
    """Sends single fetch requests through the connections of a consumer."""

    def __init__(self, consumer):
        # Private to kafka-python, whose version is pinned: nothing public sends a request of one's own.
        self.manager, self.net = consumer._manager, consumer._net

    def fetch(self, partition, offset, max_bytes=FETCH_BYTES):
        """The partition's part of one answer: records, high watermark, last stable offset."""
        leader = self.manager.cluster.leader_for_partition(partition)
        if leader is None or leader < 0:
            raise Unreadable(f"{partition.topic}/{partition.partition} has no leader")
        wanted = FetchRequest.FetchTopic.FetchPartition(
            partition=partition.partition, current_leader_epoch=-1, fetch_offset=offset, log_start_offset=-1,
            partition_max_bytes=max_bytes,
        )  # fmt: skip
        request = FetchRequest(
            replica_id=-1, max_wait_ms=100, min_bytes=1, max_bytes=max_bytes, isolation_level=READ_UNCOMMITTED,
            session_id=0, session_epoch=-1, forgotten_topics_data=[], rack_id="",
            topics=[FetchRequest.FetchTopic(topic=partition.topic, partitions=[wanted])],
            min_version=4, max_version=FETCH_VERSION,
        )  # fmt: skip

        async def send():
            await self.manager.get_connection(leader, timeout_ms=REQUEST_MS)
            return await self.manager.wait_for(self.manager.send(request, node_id=leader), REQUEST_MS)

        answer = self.net.run(send)
        found = answer.responses[0].partitions[0]
        error = kafka.errors.for_code(found.error_code)
        if error is not kafka.errors.NoError:
            raise Unreadable(f"{partition.topic}/{partition.partition}: {error.__name__}")
        return found


# Never set: its wait is a pause.
BETWEEN_LOOKS = threading.Event()


def wait_for_ends(source, partitions, begin, settle):
    deadline = time.monotonic() + settle
    for partition in partitions:
        while True:
            found = source.fetch(partition, begin[partition], max_bytes=1)
            if found.last_stable_offset == found.high_watermark or time.monotonic() > deadline:
                break
            # The broker tells nobody when a transaction ends: it is asked again.
            BETWEEN_LOOKS.wait(0.2)


def read_partition(source, partition, begin, deadline):
    """Everything from the log's beginning to its high watermark."""
    read = Partition(partition.topic, partition.partition, first=begin)
    at = begin
    while True:
        if time.monotonic() > deadline:
            raise Unreadable(f"{read.where}: not at the end in time, at {at}")
        found = source.fetch(partition, at)
        read.stable, read.end = found.last_stable_offset, found.high_watermark
        if at >= read.end:
            return read
        batches, after = MemoryRecords(found.records or b""), at
        while batches.has_next():
            batch = batches.next_batch()
            if batch.next_offset > at and batch.base_offset < read.end:
                add_batch(read, batch)
                after = max(after, batch.next_offset)
        if after == at:
            raise Unreadable(f"{read.where}: no record at {at}, and the end is {read.end}")
        at = after


def add_batch(read, batch):
    if batch.magic != 2:
        raise Unreadable(f"{read.where}: records of format {batch.magic}")
    if not batch.validate_crc():
        raise Unreadable(f"{read.where}: the batch at {batch.base_offset} is damaged")
    # Where compaction took batches away, there is a gap before this one; where records, inside it.
    last = max((x.offset for x in (read.records[-1:] + read.markers[-1:])), default=read.first - 1)
    read.holes += max(0, batch.last_offset - last - batch.records_count)
    producer, epoch = batch.producer_id, batch.producer_epoch
    control, transactional = batch.is_control_batch, batch.is_transactional
    for record in batch:
        if control:
            # 0 and 1 are transaction markers; other kinds are the broker's own business.
            if record.type in (0, 1):
                read.markers.append(Marker(record.offset, producer, epoch, commit=record.commit))
            continue
        headers = [(name, None if text is None else text.decode("utf-8", "replace")) for name, text in record.headers]
        read.records.append(
            Record(read.topic, read.number, record.offset, record.key, record.value, headers, record.timestamp,
                   producer, epoch, transactional)
        )  # fmt: skip


def deliver(consumer, partitions, begin, deadline):
    """Notes what a plain consumer is handed below the last stable offsets of the first read."""
    consumer.assign(list(partitions))
    for place, partition in partitions.items():
        partition.delivered = set()
        consumer.seek(place, begin[place])
    while any(consumer.position(place) < partition.stable for place, partition in partitions.items()):
        if time.monotonic() > deadline:
            raise Unreadable("the committed records were not all delivered in time")
        for place, records in consumer.poll(timeout_ms=200).items():
            partition = partitions[place]
            partition.delivered.update(r.offset for r in records if r.offset < partition.stable)
