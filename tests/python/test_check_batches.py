"""V7 to V9: batches, sessions and transactions that are not whole."""

import json
import unittest

import check
from built import set_header
from built_case import BuiltCase


class Manifests(BuiltCase):
    def manifest(self, change, at=-1):
        """Changes a manifest by a function."""
        record = self.log.controls("\0M")[at]
        value = json.loads(record.value[1:])
        change(value)
        record.value = b"\1" + json.dumps(value).encode()

    def test_a_clean_log_passes(self):
        self.assertHolds("V7")

    def test_numbers_that_are_wrong(self):
        cases = [
            (lambda m: m.update(state_records=9), "1 state records, the manifest says 9"),
            (lambda m: m.update(events=9), "the manifest says 9 and"),
            (lambda m: m.update(change_xor="0" * 16), "the manifest says 1 and 0000000000000000"),
            (lambda m: m["partitions"][0].update(count=2), "the manifest says 2 up to"),
            (lambda m: m["partitions"][0].update(last_offset=77), "up to 77"),
            (lambda m: m["partitions"].clear(), "the manifest says 0 up to None"),
        ]  # fmt: skip
        for change, what in cases:
            with self.subTest(what=what):
                self.setUp()
                self.manifest(change)
                self.assertReports("V7", "key \\x00M", what)

    def test_an_event_that_is_missing(self):
        self.log.remove(self.log.change("gone", 2))
        self.assertReports("V7", "key \\x00M", "has 0 events up to None, the manifest says 1")

    def test_a_state_record_that_is_missing(self):
        self.log.remove(self.log.entity("payment", "gone"))
        self.assertReports("V7", "key \\x00M", "0 state records, the manifest says 1")

    def test_events_of_another_transaction(self):
        self.log.change("gone", 2).epoch += 1
        self.assertReports("V7", "key gone", "is in another transaction than the manifest of batch 3")

    def test_half_a_batch_that_was_committed(self):
        # The aborted batch: its events are made visible, its state is not.
        for partition in self.log.partitions.values():
            if partition.topic == "atlar.payment":
                for marker in partition.markers:
                    marker.commit = True
        self.assertReports("V7", "key \\x00M", "events up to")

    def test_a_batch_without_manifest(self):
        self.log.remove(self.log.controls("\0M")[-1])
        self.assertReports("V7", "key payment\\x00gone", "a transaction without a manifest")
        self.assertReports("V7", "key gone", "batch 3 has no manifest")

    def test_a_manifest_that_is_not_the_last(self):
        entity, manifest = self.log.entity("payment", "gone"), self.log.controls("\0M")[-1]
        entity.offset, manifest.offset = manifest.offset, entity.offset
        self.assertReports("V7", "key payment\\x00gone", "not the one last record")

    def test_records_that_are_not_in_a_row(self):
        self.log.controls("\0M")[-1].offset += 1
        self.log.state.markers[-1].offset += 1
        self.assertReports("V7", "key \\x00M", "not in a row")

    def test_a_state_record_of_another_batch(self):
        record = self.log.entity("payment", "gone")
        record.value = record.value[:55] + b"\7" + record.value[56:]
        self.assertReports("V7", "key payment\\x00gone", "batch 7 in batch 3")

    def test_an_event_of_an_unknown_batch(self):
        set_header(self.log.change("gone", 2), "atlar_batch", "8")
        self.assertReports("V7", "key gone", "batch 8 has no manifest")

    def test_an_epoch_that_is_used_twice(self):
        last = self.log.state.records[-2:]
        before = self.log.state.records[-4]
        for record in [*last, self.log.change("gone", 2)]:
            record.epoch = before.epoch
        self.assertReports("V7", "key payment\\x00gone", "is used again")

    def test_a_record_outside_any_transaction(self):
        self.log.change("p2").transactional = False
        self.assertReports("V7", "key p2", "outside any transaction")

    def test_the_inbox_is_written_without_transactions(self):
        self.log.transaction([("atlar.inbox", 0, b"k", b"{}", [], None)])[0].transactional = False
        self.assertHolds("V7")

    def test_what_is_delivered_and_what_the_markers_say(self):
        given = self.log.given()
        record = self.log.change("p2")
        delivered = self.log.partitions["atlar.payment", record.partition].delivered
        delivered.remove(record.offset)
        delivered.add(9999)
        violations = [violation.what for violation in check.check(given, ["V7"])[0].violations]
        self.assertIn("its transaction is committed, and it is not delivered", violations)
        self.assertIn("is delivered and was not there", violations)

    def test_a_compacted_topic_has_forgotten_manifests(self):
        first = self.log.controls("\0M")[0]
        self.log.remove(first)
        self.assertReports("V7", "key p2", "batch 1 has no manifest")
        self.log.state.holes = 1
        self.assertHolds("V7")
        notes = self.log.report("V7").notes
        self.assertGreater(notes["batches whose manifest is compacted away, their events not checked"], 0)

    def test_a_rebuilt_state_lacks_the_manifests_from_before(self):
        genesis, first = self.log.controls("\0G")[0], self.log.controls("\0M")[0]
        for record in [found for found in self.log.state.records if found.offset <= first.offset]:
            self.log.remove(record)
        rebuild = {"started_ms": 1, "finished_ms": 2, "entities": 3}
        records = [self.log.control("\0G", json.loads(genesis.value[1:])), self.log.control("\0W", rebuild)]
        self.log.transaction(records)
        self.assertHolds("V7")
        self.log.alone("\0W", rebuild)
        self.assertReports("V7", "key \\x00W", "a transaction without a manifest")

    def test_a_change_of_the_group_beside_anything_else(self):
        self.log.transaction([self.log.control("\0U", "another"), self.log.control("\0E", "off")])
        self.assertReports("V7", "key \\x00E", "a transaction without a manifest")

    def test_letters_that_are_forgotten(self):
        self.manifest(lambda m: m["partitions"].append(
            {"topic": "atlar.dead-letter", "partition": 0, "count": 1, "last_offset": 0}))
        self.assertReports("V7", "key \\x00M", "atlar.dead-letter/0 has 0 events")
        self.log.partitions["atlar.dead-letter", 0].first = 1
        self.assertHolds("V7")


class Sessions(BuiltCase):
    def rewrite(self, key, at, **members):
        record = self.log.controls(key)[at]
        record.value = b"\1" + json.dumps(json.loads(record.value[1:]) | members).encode()

    def test_a_clean_log_passes(self):
        self.assertHolds("V8")

    def test_a_number_that_is_missing_or_used_twice(self):
        self.rewrite("\0M", -1, batch_no=4)
        self.assertReports("V8", "key \\x00M", "batch 4 after 2")
        self.rewrite("\0M", -1, batch_no=2)
        self.assertReports("V8", "key \\x00M", "batch 2 after 2")

    def test_the_first_number(self):
        self.log.remove(self.log.controls("\0M")[0])
        self.assertReports("V8", "key \\x00M", "batch 2 after 0")

    def test_in_a_rebuilt_state_the_first_number_is_any(self):
        self.log.remove(self.log.controls("\0M")[0])
        self.log.alone("\0W", {"started_ms": 1, "finished_ms": 2, "entities": 3})
        self.assertHolds("V8")
        self.rewrite("\0M", -1, batch_no=4)
        self.assertReports("V8", "key \\x00M", "batch 4 after 2")

    def test_in_a_compacted_topic_numbers_only_rise(self):
        self.log.state.holes = 1
        self.rewrite("\0M", -1, batch_no=4)
        self.assertHolds("V8")
        self.rewrite("\0M", -1, batch_no=2)
        self.assertReports("V8", "key \\x00M", "batch 2 after 2")

    def test_a_batch_of_a_session_that_was_over(self):
        self.rewrite("\0M", -1, session="one")
        self.assertReports("V8", "key \\x00M", "session one in the time of two")

    def test_a_session_that_begins_twice(self):
        self.rewrite("\0S", -1, id="one")
        self.assertReports("V8", "key \\x00S", "session one began before")

    def test_genesis(self):
        self.log.alone("\0G", {"id": "other", "partitions": {}})
        self.assertReports("V8", "atlar.state", "genesis is not its first record")
        self.setUp()
        self.log.remove(self.log.controls("\0G")[0])
        self.assertReports("V8", "atlar.state", "genesis is not its first record")

    def test_batches_of_events_in_disorder(self):
        for record in self.log.partitions["atlar.payment", self.log.change("p1").partition].records:
            set_header(record, "atlar_batch", str(9 - record.offset))
        self.assertReports("V8", "atlar.payment", "batch ")


class Hanging(BuiltCase):
    def test_a_clean_log_passes(self):
        self.assertHolds("V9")

    def test_an_open_transaction(self):
        partition = self.log.partitions["atlar.payment", self.log.change("gone", 2).partition]
        partition.markers.pop()
        partition.stable = self.log.change("gone", 2).offset
        self.assertReports("V9", partition.where, "high watermark")
        self.assertReports("V9", partition.where, "1 records in an open transaction")

    def test_an_open_transaction_of_which_nothing_was_read(self):
        self.log.partitions["atlar.inbox", 0].end = 4
        self.assertReports("V9", "atlar.inbox/0", "last stable offset 0, high watermark 4")

    def test_it_needs_rest(self):
        self.assertUnchecked("V9", "no --quiet-source", quiet=False)


if __name__ == "__main__":
    unittest.main()
