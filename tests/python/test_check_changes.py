"""V1 to V3 over doctored histories."""

import copy
import unittest

from built import set_header
from built_case import BuiltCase


class ChangeNumbers(BuiltCase):
    def test_a_clean_log_passes(self):
        self.assertHolds("V1")

    def test_a_lost_event(self):
        self.log.hold("payment", "p1", amount=1)
        self.log.publish()
        self.log.remove(self.log.change("p1", 2))
        self.assertReports("V1", "key p1", "change_no 3, 2 expected")

    def test_a_gap_at_the_start(self):
        self.log.remove(self.log.change("p1", 1))
        self.assertReports("V1", "key p1", "change_no 2, 1 expected")

    def test_an_event_seen_twice(self):
        record = self.log.change("p2")
        twice = copy.deepcopy(record)
        twice.offset = 990
        self.log.partitions[record.topic, record.partition].records.append(twice)
        self.log.partitions[record.topic, record.partition].markers[-1].offset = 999
        self.assertReports("V1", "offset 990 key p2", "change_no 1, 2 expected")

    def test_events_out_of_order(self):
        first, second = self.log.change("p1", 1), self.log.change("p1", 2)
        first.event, second.event = second.event, first.event
        self.assertReports("V1", "key p1", "change_no 2, 1 expected")

    def test_aborted_records_are_not_read_but_on_demand(self):
        self.assertReports("V1", "key p1", "change_no 2, 3 expected", aborted=True)


class Lives(BuiltCase):
    def test_a_clean_log_passes(self):
        self.assertHolds("V2")

    def test_illegal_operations(self):
        cases = [
            ("p1", 1, "u", "does not live"), ("p1", 2, "r", "was published before"), ("p1", 2, "c", "that lives"),
            ("p2", 1, "x", "none of r, c, u, d"), ("p2", 1, "d", "with after"), ("p2", 1, "c", "with snapshot 'first'"),
        ]  # fmt: skip
        for key, number, op, what in cases:
            with self.subTest(op=op, key=key, number=number):
                self.setUp()
                self.log.change(key, number).event["op"] = op
                self.assertReports("V2", f"key {key}", what)

    def test_an_update_of_what_was_deleted(self):
        self.log.publish(more=[("payment", "gone", "c")])
        self.assertHolds("V2")
        self.log.change("gone", 3).event |= {"op": "u", "before": self.log.change("gone", 3).event["after"]}
        self.assertReports("V2", "key gone", "op u for an entity that does not live")

    def test_deleted_twice(self):
        self.log.publish(more=[("payment", "gone", "d")])
        self.assertReports("V2", "key gone", "op d for an entity that does not live")

    def test_after_missing(self):
        self.log.change("p2").event["after"] = None
        self.assertReports("V2", "key p2", "op r without after")

    def test_before_missing_or_wrong(self):
        event = self.log.change("p1", 2).event
        event["before"] = None
        self.assertReports("V2", "key p1", "op u without before")
        self.assertHolds("V2", before=False)
        event["before"] = dict(event["after"])
        self.assertReports("V2", "key p1", "not what was published last", before=False)
        self.log.change("p2").event["before"] = event["after"]
        self.assertReports("V2", "key p2", "op r with before")

    def test_the_same_content_twice_but_for_a_resync_or_a_repair(self):
        record = self.log.change("p1", 2)
        set_header(record, "atlar_fingerprint", self.log.change("p1", 1).header("atlar_fingerprint"))
        self.assertReports("V2", "key p1", "twice in a row")
        record.event["source"]["snapshot"] = "repair"
        self.assertHolds("V2")
        record.event["source"]["snapshot"] = "resync"
        self.assertReports("V2", "key p1", "a resync whose before is not its after")
        record.event["before"] = record.event["after"]
        self.assertHolds("V2")


class Versions(BuiltCase):
    def publish_lower(self, listings):
        """p1 is at version 2; version 1 is listed so often, and published."""
        entry = self.log.truth["transactions"]["p1"]
        entry |= {"version": 1, "text": '{"id": "p1", "version": 1, "amount": 8}'}
        for _ in range(listings):
            self.log.cycle()
        self.log.publish(more=[("payment", "p1", "u")])
        return self.log.change("p1", 3)

    def test_a_clean_log_passes(self):
        self.assertHolds("V3")

    def test_a_falling_version(self):
        self.publish_lower(listings=2)
        # The listings of the beginning served it too.
        for line in self.log.served[: -2 * 8]:
            line["items"] = [item for item in line["items"] if item != ["p1", 1]]
        self.assertReports("V3", "key p1", "version 1 after 2")

    def test_a_lower_version_is_believed_after_three_listings(self):
        self.publish_lower(listings=3)
        for line in self.log.served[: -3 * 8]:
            line["items"] = [item for item in line["items"] if item != ["p1", 1]]
        # The first event's version must have been served once.
        self.log.serve("/v1/transactions/p1", [("p1", 1)])
        self.assertHolds("V3")

    def test_listings_after_the_publication_do_not_count(self):
        record = self.publish_lower(listings=3)
        record.timestamp = 0
        self.assertReports("V3", "key p1", "version 1 after 2")

    def test_versions_are_compared_within_a_generation(self):
        record = self.publish_lower(listings=0)
        for line in self.log.served:
            line["items"] = [item for item in line["items"] if item != ["p1", 1]]
        self.log.serve("/v1/transactions/p1", [("p1", 1)])
        self.assertReports("V3", "key p1", "version 1 after 2")
        record.event["source"]["api_version"] = "v2"
        self.assertHolds("V3")

    def test_a_version_that_was_never_served(self):
        self.log.change("p2").event["source"]["entity_version"] = 9
        self.assertReports("V3", "key p2", "never served version 9")

    def test_a_balance_of_v1_was_served_inside_its_account(self):
        self.log.publish_balance()
        self.assertHolds("V3")
        for line in self.log.served:
            line["items"] = [item for item in line["items"] if item[0] != "acc"]
        self.assertReports("V3", "key acc/BOOKED", "the bank never served it")

    def test_a_balance_of_v2_was_served_under_its_own_id(self):
        self.log.truth["balances"]["b1"] = self.log.publish_balance(generation=2)
        self.assertReports("V3", "key acc/BOOKED", "the bank never served it")
        line = self.log.serve("/financial-data/v2/accounts/-/balances", [("b1", 3)], kind="balances")
        self.assertReports("V3", "key acc/BOOKED", "never served version 4")
        line["items"] = [["b1", 4]]
        self.assertHolds("V3")

    def test_an_answer_that_was_cut_off_has_served_nothing(self):
        for line in self.log.served:
            if ["p2", 1] in line["items"]:
                line["fault"] = "cut"
        self.assertReports("V3", "key p2", "the bank never served it")

    def test_without_the_whole_log_only_falling_is_seen(self):
        self.log.dropped = 3
        self.assertUnchecked("V3", "lost its first 3 answers")
        self.log.bankless = True
        self.assertUnchecked("V3", "no --simulator")
        self.publish_lower(listings=0)
        self.assertReports("V3", "key p1", "version 1 after 2")


if __name__ == "__main__":
    unittest.main()
