"""V6 and V11: a state topic and a local store that do not say what the events say."""

import json
import unittest

from built import patched, state_value
from built_case import BuiltCase
from checker.report import Unreadable
from checker.store import read_dump
from checker.views import index_key

# Where the fields of an entity's record lie (docs/state-format.md).
FLAGS, GENERATION, PARTITION, OFFSET, CHANGE_NO, FINGERPRINT, VERSION, BATCH_NO = 1, 3, 4, 8, 16, 24, 40, 48


class StateTopic(BuiltCase):
    def patch(self, key, at, form, number):
        record = self.log.entity("payment", key)
        record.value = patched(record.value, at, form, number)

    def test_a_clean_log_passes(self):
        self.assertHolds("V6")

    def test_another_field(self):
        cases = [
            (FLAGS, ">B", 13, "deleted is True"), (PARTITION, ">i", 2 if self.log.change("p2").partition != 2 else 1,
                                                   "the event is said to be at"),
            (OFFSET, ">q", 77, "the event is said to be at"), (CHANGE_NO, ">Q", 4, "change_no 4, not 1"),
            (FINGERPRINT, ">Q", 4, "fingerprint 0000000000000004"), (VERSION, ">q", 9, "version 9, not 1"),
            (BATCH_NO, ">Q", 0, "batch 0, below 1"),
        ]  # fmt: skip
        for at, form, number, what in cases:
            with self.subTest(what=what):
                self.setUp()
                self.patch("p2", at, form, number)
                self.assertReports("V6", "key payment\\x00p2", what)

    def test_a_record_that_names_another_event(self):
        self.patch("p2", OFFSET, ">q", self.log.change("p1").offset)
        self.patch("p2", PARTITION, ">i", self.log.change("p1").partition)
        self.assertReports("V6", "key payment\\x00p2", "change 1 is not at")

    def test_a_record_without_event(self):
        self.patch("p2", FLAGS, ">B", 4)
        self.patch("p2", PARTITION, ">i", -1)
        self.patch("p2", OFFSET, ">q", -1)
        self.assertReports("V6", "key payment\\x00p2", "names no event")

    def test_an_event_without_record_and_a_record_without_event(self):
        self.log.remove(self.log.entity("payment", "p2"))
        self.assertReports("V6", "atlar.payment", "has no state record")
        self.setUp()
        self.log.remove(self.log.change("p2"))
        self.assertReports("V6", "key payment\\x00p2", "there is no event of it")

    def test_an_aborted_record_says_nothing(self):
        # The aborted batch of the clean log wrote p1's state with a place that never came to be.
        self.log.given()
        aborted = [r for r in self.log.state.records if r.key == b"payment\0p1" and r.outcome == "aborted"]
        self.assertEqual(1, len(aborted))
        self.log.state.markers = [m for m in self.log.state.markers if m.commit]
        self.assertReports("V6", "key payment\\x00p1", "change 2 is not at")

    def test_a_rebase_to_the_other_generation_has_a_fingerprint_of_its_own(self):
        self.patch("p2", FINGERPRINT, ">Q", 4)
        self.patch("p2", GENERATION, ">B", 2)
        self.assertHolds("V6")
        self.assertEqual(1, self.log.report("V6").notes["rebased, fingerprint not compared"])

    def test_damaged_records(self):
        cases = [(b"\2", "format 2"), (b"\1\0", "too few"), (None, "a tombstone")]
        for value, what in cases:
            with self.subTest(what=what):
                self.setUp()
                record = self.log.entity("payment", "p2")
                record.value = value and value + (record.value[1:] if len(value) == 1 else b"")
                self.assertReports("V6", "key payment\\x00p2", what)
        self.setUp()
        self.patch("p2", FLAGS, ">B", 64)
        self.assertReports("V6", "key payment\\x00p2", "unknown flags 0x40")
        self.setUp()
        self.patch("p2", FLAGS, ">B", 8)
        self.assertReports("V6", "key payment\\x00p2", "a version, and no flag")
        self.setUp()
        self.patch("p2", FLAGS, ">B", 4)
        self.assertReports("V6", "key payment\\x00p2", "a place of an event, and no flag")

    def test_damaged_keys_and_control_records(self):
        record = self.log.entity("payment", "p2")
        for key, what in [(b"abcd", "four bytes"), (None, "no key"), (b"payment", "without a zero byte")]:
            record.key = key
            self.assertReports("V6", "atlar.state", what)
        self.setUp()
        record = self.log.controls("\0S")[0]
        for value, what in [(None, "a tombstone for a control"), (b"\2{}", "format 02"), (b"\1{", "Expecting")]:
            record.value = value
            self.assertReports("V6", "key \\x00S", what)

    def test_control_records_of_an_unknown_kind_are_passed_over(self):
        self.log.controls("\0B")[0].key = b"\0Z/new"
        self.assertHolds("V6")


class Store(BuiltCase):
    def setUp(self):
        super().setUp()
        self.lines = self.log.make_dump()

    def keep(self):
        self.log.keep(self.lines)

    def entry(self, key):
        wanted = index_key(f"payment\0{key}".encode())
        return next(line for line in self.lines if line.get("key") == wanted)

    def test_a_clean_dump_passes(self):
        self.keep()
        self.assertHolds("V11")

    def test_a_hold_is_in_the_fold_and_in_the_store(self):
        self.log.controls("\0B")[0].key = b"\0H/payments"
        self.lines = self.log.make_dump()
        self.lines.append({"control": b"\0H/payments".hex(), "value": self.log.controls("\0H/payments")[0].value.hex()})
        self.keep()
        self.assertHolds("V11")

    def test_a_checkpoint_in_the_past_is_compared_with_the_past(self):
        self.log.hold("payment", "p1", amount=99)
        self.log.hold("payment", "new", amount=1)
        self.log.publish()
        self.keep()
        self.assertHolds("V11")
        self.lines[0]["checkpoint"]["next_offset"] = self.log.state.end
        self.keep()
        self.assertReports("V11", "key payment\\x00p1", "change_no is 2 in the store, not 3")
        self.assertReports("V11", "key payment\\x00new", "is not in the store")

    def test_each_field_counts(self):
        others = {"fingerprint": "0" * 32, "version": None, "partition": 7, "offset": 99, "change_no": 9, "batch_no": 9,
                  "resync": 1, "stream": "accounts", "algorithm": 2, "generation": 2, "deleted": True,
                  "quarantined": True}  # fmt: skip
        self.assertEqual({*others, "key"}, self.entry("p2").keys())
        for name, other in others.items():
            with self.subTest(name=name):
                self.setUp()
                self.entry("p2")[name] = other
                self.keep()
                shown = "event" if name in ("partition", "offset") else name
                self.assertReports("V11", "key payment\\x00p2", f"{shown} is ")

    def test_an_entry_too_few_or_too_many(self):
        self.lines.remove(self.entry("p2"))
        self.keep()
        self.assertReports("V11", "key payment\\x00p2", "is not in the store")
        self.assertReports("V11", "checkpoint", "6 entries, 5 in the store")
        self.lines.append({**self.entry("p1"), "key": "0" * 32})
        self.keep()
        self.assertReports("V11", "store entry 000", "is not in the state topic")

    def test_control_records(self):
        at = next(n for n, line in enumerate(self.lines) if line.get("control") == b"\0S".hex())
        self.lines[at]["value"] = "00"
        self.keep()
        self.assertReports("V11", "control record", "is another in the store")
        del self.lines[at]
        self.keep()
        self.assertReports("V11", "control record", "is not in the store")
        self.lines.append({"control": b"\0R".hex(), "value": "01"})
        self.keep()
        self.assertReports("V11", "control record", "is not in the state topic")

    def test_another_workspace_or_a_place_that_is_not_there(self):
        self.lines[0]["checkpoint"] |= {"genesis": "other", "next_offset": 9999}
        self.keep()
        self.assertReports("V11", "checkpoint", "genesis other, not genesis")
        self.assertReports("V11", "checkpoint", "beyond the state topic's end")

    def test_what_a_compaction_took_is_left_out(self):
        self.log.hold("payment", "p1", amount=99)
        self.log.publish()
        old = [r for r in self.log.state.records if r.key == b"payment\0p1"][-2]
        self.keep()
        self.log.remove(old)
        self.assertReports("V11", "key payment\\x00p1", "in the store, not")
        self.log.state.holes = 1
        self.assertHolds("V11")
        notes = self.log.report("V11").notes
        self.assertEqual(2, notes["written behind the checkpoint in a compacted topic, not compared"])

    def test_without_a_dump_it_says_so(self):
        self.assertUnchecked("V11", "no --store-dump")

    def test_a_dump_that_cannot_be_read(self):
        cases = [("{}", "missing or unknown"), ("x", "line 1"), ('{"checkpoint": {}}', "lacks a member"),
                 (json.dumps({**self.entry("p2"), "key": "00"}), "not of 16 bytes")]  # fmt: skip
        for line, what in cases:
            with self.subTest(what=what), self.assertRaisesRegex(Unreadable, what):
                read_dump([line])
        with self.assertRaisesRegex(Unreadable, "no checkpoint"):
            self.log.keep([self.entry("p2")])
        with self.assertRaisesRegex(Unreadable, "the same entry twice"):
            self.log.keep([self.lines[0], self.entry("p2"), self.entry("p2")])


class Layout(unittest.TestCase):
    def test_the_builder_writes_the_layout_of_the_page(self):
        """The bytes are those that the program's own test of the layout has."""
        known = {"op": "u", "generation": 2, "event": (3, 258), "change_no": 4, "content": "", "version": -2,
                 "batch_no": 5}  # fmt: skip
        value = state_value("account", known, resync=6)
        expected = ("010c0102 00000003 0000000000000102 0000000000000004 d41d8cd98f00b204e9800998ecf8427e "
                    "fffffffffffffffe 0000000000000005 00000006 6163636f756e7473")  # fmt: skip
        self.assertEqual(bytes.fromhex(expected.replace(" ", "")), value)


if __name__ == "__main__":
    unittest.main()
