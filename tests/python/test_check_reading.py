"""What the rules stand on: hashes, contents, batches of the log, walks of the bank, files."""

import asyncio
import io
import json
import types
import unittest
import unittest.mock

from built import clean
from checker import bank, broker, save
from checker.content import canonical, load_exact
from checker.hashes import blake3, murmur2, partition_of
from checker.log import Marker, Partition, Record, settle
from checker.report import Unreadable
from checker.rest import balances
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder
from kafka.record.util import calc_crc32c


class Hashes(unittest.TestCase):
    def test_murmur2(self):
        """The values of Kafka's own test of this hash."""
        cases = {
            b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536,
            b"a-little-bit-longer-string": -1486304829, b"abc": 479470107,
            b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        }  # fmt: skip
        for text, expected in cases.items():
            self.assertEqual(expected & 0xFFFFFFFF, murmur2(text), text)
        self.assertEqual((-973932308 & 0x7FFFFFFF) % 6, partition_of(b"21", 6))

    def test_blake3(self):
        """The values of BLAKE3's own test vectors: bytes 0, 1, 2 … 250, 0, 1 … of some lengths."""
        cases = {
            0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
            1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
            64: "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98",
            65: "de1e5fa0be70df6d2be8fffd0e99ceaa8eb6e8c93a63f2d8d1c30ecb6b263dee",
            1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
        }
        for length, expected in cases.items():
            self.assertEqual(expected, blake3(bytes(at % 251 for at in range(length))).hex(), length)
        with self.assertRaises(ValueError):
            blake3(bytes(1025))


class Contents(unittest.TestCase):
    def assertSame(self, left, right, same=True, entity=None):
        left, right = (canonical(load_exact(text), entity) for text in (left, right))
        (self.assertEqual if same else self.assertNotEqual)(left, right)

    def test_what_means_the_same(self):
        for left, right in [
            ('{"a":1,"b":"x"}', '{"b":"x","a":1}'),
            ('{"a":1,"b":null,"c":"","d":{"e":[null,{}]}}', '{"a":1}'),
            ('{"id":"1","version":1,"updated":"x"}', '{"id":"1","version":2,"etag":"y"}'),
            ('{"l":[null,"x"]}', '{"l":["x"]}'),
            ('{"x":[{"id":"9","version":1}]}', '{"x":[{"id":"9","version":4}]}'),
        ]:  # fmt: skip
            self.assertSame(left, right)

    def test_what_means_something_else(self):
        for left, right in [
            ('{"a":1}', '{"a":"1"}'), ('{"a":1.0}', '{"a":1}'), ('{"a":0}', "{}"), ('{"a":false}', "{}"),
            ('{"a":false}', '{"a":0}'), ('{"a":["x","y"]}', '{"a":["y","x"]}'),
            ('{"metadata":{"id":"x","version":"1"}}', '{"metadata":{"id":"x","version":"2"}}'),
            ('{"details":{"version":1}}', '{"details":{"version":2}}'),
            ('{"a":12345678901234567890.10}', '{"a":12345678901234567890.1}'),
        ]:  # fmt: skip
            self.assertSame(left, right, same=False)

    def test_the_balance_of_an_account_only(self):
        left, right = '{"id":"1","balance":{"x":1}}', '{"id":"1","balance":{"x":2}}'
        self.assertSame(left, right, entity="account")
        self.assertSame(left, right, same=False, entity="payment")


def batch(offset, keys, producer=7, epoch=1, transactional=True):
    builder = MemoryRecordsBuilder(2, 0, 1 << 20, offset=offset, transactional=transactional, producer_id=producer,
                                   producer_epoch=epoch, base_sequence=0)  # fmt: skip
    for key in keys:
        builder.append(timestamp=5, key=key, value=b"v", headers=[("h", b"x")])
    builder.close()
    return bytes(builder.buffer())


def marker(offset):
    """A commit marker."""
    control = bytearray(batch(offset, [b"\0\0\0\1"]))
    # Attributes lie behind offset, length, leader epoch, magic and checksum; the last covers what follows it.
    control[22] |= 0x20
    control[17:21] = calc_crc32c(bytes(control[21:])).to_bytes(4, "big")
    return bytes(control)


class Log(unittest.TestCase):
    def read(self, *batches):
        partition = Partition("t", 0)
        for data in batches:
            broker.add_batch(partition, MemoryRecords(data).next_batch())
        return partition

    def test_records_and_holes(self):
        partition = self.read(batch(0, [b"a", b"b"]), batch(2, [b"c"]), batch(5, [b"d"]))
        self.assertEqual([0, 1, 2, 5], [record.offset for record in partition.records])
        self.assertEqual(2, partition.holes)
        record = partition.records[0]
        self.assertEqual((b"a", b"v", [("h", "x")], 7, 1, True, 5), (record.key, record.value, record.headers,
                         record.producer, record.epoch, record.transactional, record.timestamp))  # fmt: skip
        self.assertFalse(self.read(batch(0, [b"a"], transactional=False)).records[0].transactional)

    def test_a_marker_is_no_record(self):
        partition = self.read(batch(0, [b"a"]), marker(1))
        self.assertEqual(([0], [Marker(1, 7, 1, True)], 0),
                         ([record.offset for record in partition.records], partition.markers, partition.holes))

    def test_a_damaged_batch(self):
        data = bytearray(batch(0, [b"a"]))
        data[-1] ^= 1
        with self.assertRaisesRegex(Unreadable, "damaged"):
            self.read(bytes(data))

    def test_a_batch_of_an_old_format(self):
        builder = MemoryRecordsBuilder(1, 0, 1 << 20)
        builder.append(timestamp=5, key=b"a", value=b"v")
        builder.close()
        with self.assertRaisesRegex(Unreadable, "records of format 1"):
            self.read(bytes(builder.buffer()))

    def test_what_became_of_transactions(self):
        partition = Partition("t", 0)
        for offset, producer in [(0, 1), (1, 2), (2, 1), (4, 1), (6, 2), (8, 3)]:
            partition.records.append(Record("t", 0, offset, b"k", b"v", producer=producer))
        partition.records[-1].transactional = False
        partition.markers = [Marker(5, 1, 9, False), Marker(3, 1, 1, True), Marker(7, 2, 1, True)]
        settle(partition)
        self.assertEqual(
            [("committed", 3), ("committed", 7), ("committed", 3), ("aborted", 5), ("committed", 7), ("plain", None)],
            [(record.outcome, record.ended_at) for record in partition.records],
        )
        partition.markers.pop()
        settle(partition)
        self.assertEqual(["open", "open"], [record.outcome for record in partition.records if record.producer == 2])

    def test_what_was_saved_is_what_was_read(self):
        built = clean()
        given = built.given()
        file = io.StringIO()
        save.save(file, given.partitions, {5: "{}"})
        partitions, schemas = save.load(io.StringIO(file.getvalue()))
        again = io.StringIO()
        save.save(again, partitions, schemas)
        self.assertEqual(file.getvalue(), again.getvalue())
        self.assertEqual(sum(len(p.records) for p in given.partitions), sum(len(p.records) for p in partitions))
        with self.assertRaisesRegex(Unreadable, "not a file that was saved"):
            save.load(['{"record": {}}'])


class Partitions(unittest.TestCase):
    """Reading one partition from answers of a broker."""

    def read(self, *answers, begin=0):
        answers = iter(answers)
        source = types.SimpleNamespace(fetch=lambda *_, **__: next(answers))
        place = types.SimpleNamespace(topic="t", partition=0)
        return broker.read_partition(source, place, begin, float("inf"))

    def answer(self, records, stable, end):
        return types.SimpleNamespace(records=records, last_stable_offset=stable, high_watermark=end)

    def test_to_the_end_and_no_further(self):
        first = batch(0, [b"a", b"b"])
        # The second answer begins with the batch again, as brokers answer in whole batches.
        read = self.read(self.answer(first, 3, 3), self.answer(first + batch(2, [b"c"]), 3, 3), self.answer(b"", 3, 3))
        self.assertEqual([0, 1, 2], [record.offset for record in read.records])
        self.assertEqual((3, 3, 0), (read.stable, read.end, read.holes))

    def test_an_answer_without_what_was_asked_for(self):
        with self.assertRaisesRegex(Unreadable, "no record at 0, and the end is 4"):
            self.read(self.answer(b"", 4, 4))


    def test_in_time_or_not_at_all(self):
        source = types.SimpleNamespace(fetch=lambda *_, **__: self.answer(b"", 0, 1))
        with self.assertRaisesRegex(Unreadable, "not at the end in time"):
            broker.read_partition(source, types.SimpleNamespace(topic="t", partition=0), 0, 0)


class Consumer:
    """What reading asks of kafka-python's consumer. Each topic has one partition with one record."""

    def __init__(self, missing=(), begins=()):
        self.missing, self.begins, self.assigned, self.at = missing, begins, [], {}

    def partitions_for_topic(self, topic):
        return None if topic in self.missing else {0}

    def beginning_offsets(self, partitions):
        return {p: 1 if p.topic in self.begins else 0 for p in partitions}

    def assign(self, partitions):
        self.assigned = partitions

    def seek(self, partition, offset):
        self.at[partition] = offset

    def position(self, partition):
        return self.at[partition]

    def poll(self, timeout_ms):
        handed = {p: [types.SimpleNamespace(offset=self.at[p])] for p in self.assigned if self.at[p] < 1}
        self.at = dict.fromkeys(self.at, 2)
        return handed


class Topics(unittest.TestCase):
    """Reading a workspace from a broker that holds one committed record and its marker in each partition."""

    def read(self, consumer=None, answers=None, settle=0, timeout=60):
        self.asked = []
        answers = iter(answers or ())

        def fetch(partition, offset, **_):
            self.asked.append(partition.topic)
            whole = types.SimpleNamespace(records=batch(0, [b"k"]) + marker(1), last_stable_offset=2, high_watermark=2)
            return next(answers, whole)

        source = types.SimpleNamespace(fetch=fetch)
        with unittest.mock.patch("checker.broker.Source", lambda _: source):
            return broker.read(consumer or Consumer(), "w", settle, timeout)

    def test_every_topic_is_read_and_delivered(self):
        partitions = self.read()
        names = {"account", "counterparty", "payment", "external-payment", "balance", "dead-letter", "state", "scan",
                 "inbox"}  # fmt: skip
        self.assertEqual({f"w.{name}" for name in names}, {partition.topic for partition in partitions})
        for partition in partitions:
            self.assertEqual(([0], {0}, 2, 2), ([r.offset for r in partition.records], partition.delivered,
                                                partition.stable, partition.end))  # fmt: skip

    def test_topics_that_are_not_there(self):
        self.assertEqual(8, len(self.read(Consumer(missing=["w.inbox"]))))
        with self.assertRaisesRegex(Unreadable, "w.payment does not exist"):
            self.read(Consumer(missing=["w.payment"]))

    def test_history_that_is_gone(self):
        with self.assertRaisesRegex(Unreadable, "w.payment/0 begins at 1: history is gone"):
            self.read(Consumer(begins=["w.payment"]))
        self.assertEqual(1, next(p.first for p in self.read(Consumer(begins=["w.dead-letter"]))
                                 if p.topic == "w.dead-letter"))  # fmt: skip

    def test_it_waits_for_open_transactions(self):
        still_open = types.SimpleNamespace(records=b"", last_stable_offset=0, high_watermark=1)
        with unittest.mock.patch("time.sleep"):
            self.read(answers=[still_open, still_open], settle=60)
        self.assertEqual(["w.account"] * 3 + ["w.counterparty"], self.asked[:4])
        self.read(answers=[still_open, still_open], settle=0)
        self.assertEqual(["w.account", "w.counterparty", "w.payment"], self.asked[:3])

    def test_records_that_are_not_delivered(self):
        with (unittest.mock.patch.object(Consumer, "poll", lambda *_, **__: {}),
              self.assertRaisesRegex(Unreadable, "not all delivered in time")):  # fmt: skip
            self.read(timeout=0.2)


class Requests(unittest.TestCase):
    """One fetch request of the reader's own."""

    def fetch(self, leader=3, error=0):
        sent = []

        async def nothing(*_, **__):
            return None

        async def wait_for(future, _):
            return future

        def send(request, node_id):
            sent.append((request, node_id))
            part = types.SimpleNamespace(error_code=error)
            return types.SimpleNamespace(responses=[types.SimpleNamespace(partitions=[part])])

        cluster = types.SimpleNamespace(leader_for_partition=lambda _: leader)
        manager = types.SimpleNamespace(cluster=cluster, get_connection=nothing, wait_for=wait_for, send=send)
        net = types.SimpleNamespace(run=lambda make: asyncio.run(make()))
        source = broker.Source(types.SimpleNamespace(_manager=manager, _net=net))
        source.fetch(types.SimpleNamespace(topic="t", partition=4), 9)
        return sent[0]

    def test_it_goes_to_the_leader_and_asks_for_everything(self):
        request, node_id = self.fetch()
        wanted = request.topics[0].partitions[0]
        self.assertEqual((3, 0, "t", 4, 9), (node_id, request.isolation_level, request.topics[0].topic,
                                             wanted.partition, wanted.fetch_offset))  # fmt: skip

    def test_no_leader_and_errors(self):
        for leader in (None, -1):
            with self.assertRaisesRegex(Unreadable, "no leader"):
                self.fetch(leader=leader)
        with self.assertRaisesRegex(Unreadable, "OffsetOutOfRange"):
            self.fetch(error=1)


class Walks(unittest.TestCase):
    def walk(self, *lines):
        served = []
        for token, following, items, more in lines:
            served.append({"path": "/v1/accounts", "query": "", "method": "GET", "status": 200, "fault": None,
                           "kind": "accounts", "received_ms": 1, "answered_ms": 2, "token": token,
                           "next_token": following, "items": items, **more})  # fmt: skip
        return [(listing.complete, sorted(listing.items)) for listing in bank.walks(served)]

    def test_pages_of_one_walk(self):
        self.assertEqual([(True, [("a", 1), ("b", 1)])],
                         self.walk((None, "t", [["a", 1]], {}), ("t", None, [["b", 1]], {})))

    def test_a_page_that_was_asked_for_again(self):
        for fault in ("cut", None):
            walked = self.walk((None, "t", [["a", 1]], {}), ("t", "u", [["b", 1]], {"fault": fault}),
                               ("t", "u", [["b", 2]], {}), ("u", None, [], {}))
            self.assertEqual([(True, [("a", 1), ("b", 2)])], walked)

    def test_a_last_page_that_was_asked_for_again_and_failed(self):
        walked = self.walk((None, "t", [["a", 1]], {}), ("t", None, [["b", 1]], {}), ("t", None, [], {"status": 500}))
        self.assertEqual([(False, [("a", 1)])], walked)

    def test_walks_that_ended_early(self):
        walked = self.walk((None, "t", [["a", 1]], {}), ("t", None, [], {"status": 503}), (None, None, [["a", 2]], {}))
        self.assertEqual([(False, [("a", 1)]), (True, [("a", 2)])], walked)
        for spoilt in ({"fault": "items-missing"}, {"status": 429}, {"fault": "html", "kind": None}):
            self.assertEqual([(False, [])], self.walk((None, None, [["a", 1]], spoilt)))

    def test_the_later_of_two_walks_gets_the_page(self):
        walked = self.walk((None, "t", [["a", 1]], {}), (None, "t", [["a", 2]], {}), ("t", None, [["b", 1]], {}))
        self.assertEqual([(False, [("a", 1)]), (True, [("a", 2), ("b", 1)])], walked)

    def test_lists_are_told_by_path_and_filters(self):
        place = bank.place_of
        one = place({"path": "/v1/transactions", "query": "accountId=a&limit=5&token=x"})
        self.assertEqual(("transactions", 1, "payments/a"), one[:3])
        self.assertEqual(one, place({"path": "/v1/transactions", "query": "limit=9&accountId=a"}))
        self.assertNotEqual(one, place({"path": "/v1/transactions", "query": "accountId=b"}))
        self.assertIsNone(place({"path": "/v1/transactions", "query": ""}))
        self.assertIsNone(place({"path": "/v1beta/third-parties", "query": ""}))

    def test_a_balance_of_v2_is_published_under_its_account(self):
        truth = {2: {"balances": {"b1": {"payload": {"accountId": "a", "type": "BOOKED"}}}}}
        found = bank.Bank([], truth)
        self.assertEqual("a/BOOKED", found.key_of("balance", "b1"))
        self.assertIsNone(found.key_of("balance", "b2"))
        self.assertEqual("p", found.key_of("payment", "p"))


class BalancesOfV2(unittest.TestCase):
    def test_the_newest_of_a_type_counts(self):
        truth = {"balances": {
            name: {"payload": {"accountId": "a", "type": "BOOKED", "localDate": day, "n": name}}
            for name, day in (("x", "2026-01-02"), ("y", "2026-01-03"), ("z", "2026-01-01"))
        }}  # fmt: skip
        self.assertEqual([("a/BOOKED", "y")], [(key, entry["payload"]["n"]) for key, entry in balances(truth, 2)])


class Json(unittest.TestCase):
    def test_numbers_stay_as_they_were_sent(self):
        self.assertNotEqual(load_exact("1.0"), load_exact("1"))
        self.assertEqual("12345678901234567890.10", load_exact("12345678901234567890.10"))
        self.assertEqual(json.loads('{"a": 1}')["a"], int(load_exact('{"a": 1}')["a"]))


if __name__ == "__main__":
    unittest.main()
