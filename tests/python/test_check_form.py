"""V10, V12 and the rules about the form of events."""

import unittest
import uuid

from built import PARTITIONS, set_header
from built_case import BuiltCase
from checker.form import HEADERS, NAMESPACE


class Deletes(BuiltCase):
    def webhook(self, key, kind="DELETED"):
        """A webhook in the inbox, just before the delete of `gone`."""
        body = f'{{"resource":"transactions","event":{{"entityId":"{key}","type":"{kind}"}}}}'
        record = self.log.transaction([("atlar.inbox", 0, b"k", body.encode(), [], None)])[0]
        record.timestamp = self.log.change("gone", 2).timestamp - 1

    def serve_again(self):
        """The listings before the delete serve it all the same."""
        for line in self.log.served:
            if line["path"] == "/v1/transactions" and line["token"] is not None and ["gone", 1] not in line["items"]:
                line["items"].append(["gone", 1])

    def test_a_clean_log_passes(self):
        self.assertHolds("V10")

    def test_too_few_listings_without_it(self):
        self.assertReports("V10", "key gone", "after 3 complete listings", listings=4)
        self.serve_again()
        self.assertReports("V10", "key gone", "after 0 complete listings without it, and no webhook")

    def test_a_listing_that_broke_off_is_none(self):
        line = [line for line in self.log.served if line["path"] == "/v1/transactions"][-3]
        line["fault"] = "truncate"
        self.assertReports("V10", "key gone", "after 2 complete listings")

    def test_nobody_asked_for_it(self):
        self.log.served = [line for line in self.log.served if line["status"] != 404]
        self.assertReports("V10", "key gone", "no answer by id had said 404 or 410")

    def test_the_last_answer_counts(self):
        at = next(n for n, line in enumerate(self.log.served) if line["status"] == 404)
        self.log.served.insert(at + 1, {**self.log.served[at], "status": 200, "items": [["gone", 1]]})
        self.assertReports("V10", "key gone", "no answer by id")
        self.log.served.insert(at + 2, {**self.log.served[at], "status": 410})
        self.assertHolds("V10")

    def test_a_webhook_stands_for_listings_not_for_the_answer(self):
        self.serve_again()
        self.webhook("p2")
        self.webhook("gone", kind="UPDATED")
        self.assertReports("V10", "key gone", "no webhook")
        self.webhook("gone")
        self.assertHolds("V10")
        self.log.served = [line for line in self.log.served if line["status"] != 404]
        self.assertReports("V10", "key gone", "no answer by id")

    def test_a_webhook_that_came_later(self):
        self.serve_again()
        self.webhook("gone")
        self.log.partitions["atlar.inbox", 0].records[-1].timestamp += 2
        self.assertReports("V10", "key gone", "no webhook")

    def test_a_balance_goes_with_its_account(self):
        self.log.publish_balance()
        self.log.publish_balance(op="d")
        self.assertReports("V10", "key acc/BOOKED", "deleted, and its account was not")
        self.log.publish(more=[("account", "acc", "d")])
        self.assertReports("V10", "key acc/BOOKED", "deleted, and its account was not")
        self.log.publish_balance(op="r")
        self.log.publish_balance(op="d")
        self.assertEqual(1, sum("its account was not" in v.what for v in self.log.report("V10").violations))

    def test_what_it_needs(self):
        self.log.dropped = 1
        self.assertUnchecked("V10", "lost its first 1 answers")
        self.log.bankless = True
        self.assertUnchecked("V10", "no --simulator")


class Form(BuiltCase):
    def test_a_clean_log_passes(self):
        for rule in ("V12", "partition", "source", "headers", "ce_id"):
            self.assertHolds(rule)

    def test_what_does_not_decode(self):
        self.log.change("p2").fault = "does not decode: bytes are left over"
        self.assertReports("V12", "key p2", "bytes are left over")
        self.log.change("p1").event = None
        self.assertReports("V12", "key p1", "was not decoded")

    def test_no_key_or_no_value(self):
        for name in ("key", "value"):
            self.setUp()
            setattr(self.log.change("p2"), name, None)
            self.assertReports("V12", "atlar.payment", "needs a key and a value")

    def test_another_partition(self):
        record = self.log.change("acc")
        record.partition = (record.partition + 1) % PARTITIONS
        self.assertReports("partition", "key acc", "belongs in partition")

    def test_another_number_of_partitions(self):
        del self.log.partitions["atlar.balance", 2]
        self.assertReports("partition", "atlar.balance", "2 partitions, genesis says 3")

    def test_a_source_that_disagrees(self):
        for name, wrong in [("connector", "x"), ("name", "x"), ("entity", "account"), ("organization_id", "x"),
                            ("entity_version", 5), ("snapshot", "true"), ("via", "magic"), ("stream", "accounts"),
                            ("api_version", "v3")]:  # fmt: skip
            with self.subTest(name=name):
                self.setUp()
                self.log.change("p2").event["source"][name] = wrong
                self.assertReports("source", "key p2", name)

    def test_a_key_that_is_not_the_id(self):
        self.log.change("p2").event["after"]["id"] = "other"
        self.assertReports("source", "key p2", "id is 'other'")

    def test_wrong_headers(self):
        cases = {
            "ce_specversion": "0.3", "ce_id": str(uuid.uuid4()), "ce_type": "atlar.payment.updated.v1",
            "ce_source": "/atlar/other/payment", "ce_subject": "p3", "ce_time": "2025-10-09T08:53:20Z",
            "ce_dataschema": "http://user:password@127.0.0.1:8081/schemas/ids/5", "content-type": "application/json",
            "traceparent": "00-" + "0" * 32 + "-" + "b" * 16 + "-01", "atlar_stream": "payments/other",
            "atlar_batch": "three", "atlar_fingerprint": "1:abc",
        }  # fmt: skip
        self.assertEqual(HEADERS, cases.keys())
        for name, wrong in cases.items():
            with self.subTest(name=name):
                self.setUp()
                record = self.log.change("p2")
                set_header(record, name, wrong)
                self.assertReports("headers", "key p2", name)
                record.headers = [pair for pair in record.headers if pair[0] != name]
                self.assertReports("headers", "key p2", f"{name} is missing")

    def test_repeated_and_unknown_headers(self):
        self.log.change("p2").headers.append(("ce_id", "x"))
        self.assertReports("headers", "key p2", "ce_id is there 2 times")
        self.log.change("p2").headers.append(("iban", "x"))
        self.assertReports("headers", "key p2", "iban is not one of ours")

    def test_a_schema_id_that_is_not_the_records(self):
        self.log.change("p2").schema_id = 8
        self.assertReports("headers", "key p2", "ce_dataschema")

    def test_an_event_id_that_is_used_twice(self):
        set_header(self.log.change("p2"), "ce_id", self.log.change("p1", 1).header("ce_id"))
        self.assertReports("ce_id", "atlar.payment", "was used at")

    def test_the_namespace_is_derived_from_the_name(self):
        self.assertEqual(NAMESPACE, uuid.uuid5(uuid.NAMESPACE_URL, "atlar-ingestor"))


if __name__ == "__main__":
    unittest.main()
