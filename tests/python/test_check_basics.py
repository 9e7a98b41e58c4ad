"""Each rule of check_basics.py lets good records pass and reports doctored ones. Run: python -m unittest discover."""

import argparse
import contextlib
import copy
import io
import json
import os
import tempfile
import unittest
import uuid

import check_basics as checker


def options(truth=None, before=True, deletes=True):
    truth = None if truth is None else {"organization_id": "org", "entities": truth}
    return argparse.Namespace(prefix="atlar", before=before, deletes=deletes, truth=truth)


def after(key, version, **more):
    raw = json.dumps({"id": key, "version": version, "amount": {"value": 1250}, "alias": "", **more})
    return {"id": key, "organization_id": "org", "version": version, "raw": raw}


class Log:
    """Builds records as the ingestor should write them."""

    def __init__(self):
        self.records, self.offsets, self.last = [], {}, {}

    def add(self, entity, key, op, version=1, **more):
        topic, partitions = f"atlar.{entity}", 6
        previous = self.last.get((topic, key), (0, None))
        number, now = previous[0] + 1, None if op == "d" else after(key, version, **more)
        partition = checker.partition_of(key, partitions)
        offset = self.offsets.get((topic, partition), 0)
        self.offsets[topic, partition] = offset + 1
        self.last[topic, key] = number, now
        stream = {"account": "accounts", "payment": "payments/acc", "counterparty": "counterparties",
                  "external-payment": "external-payments/external-payments"}[entity]
        ts_ms = 1760000000120 + len(self.records)
        record = {
            "topic": topic, "partition": partition, "partitions": partitions, "offset": offset, "timestamp": ts_ms,
            "key": key, "schema_id": 7,
            "headers": [
                ["ce_specversion", "1.0"],
                ["ce_id", str(uuid.uuid5(checker.NAMESPACE, f"{topic}/{key}/{number}"))],
                ["ce_type", f"atlar.{entity}.{checker.WORDS[op]}.v1"],
                ["ce_source", f"/atlar/org/{entity}"],
                ["ce_subject", key],
                ["ce_time", f"2025-10-09T08:53:20.{ts_ms % 1000:03d}Z"],
                ["ce_dataschema", "http://127.0.0.1:8081/apis/ccompat/v7/schemas/ids/7"],
                ["content-type", "application/avro"],
                ["traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"],
                ["atlar_stream", stream],
                ["atlar_batch", "3"],
                ["atlar_fingerprint", f"1:{number:032x}"],
            ],
            "value": {
                "before": None if op in "rc" else copy.deepcopy(previous[1]),
                "after": now,
                "op": op,
                "ts_ms": ts_ms,
                "changed_fields": [],
                "source": {
                    "connector": "atlar", "version": "0.1.0", "name": "atlar", "ts_ms": ts_ms, "snapshot": "false",
                    "organization_id": "org", "api_version": "v1", "entity": entity, "stream": stream,
                    "change_no": number, "entity_version": version, "via": "poll",
                },
            },
        }
        self.records.append(record)
        return record


def good():
    log = Log()
    log.add("account", "acc", "r")
    log.add("counterparty", "cp", "c")
    log.add("external-payment", "ep", "c")
    log.add("payment", "p1", "r")
    log.add("payment", "p1", "u", 2, alias="x")
    log.add("payment", "p1", "d", 2)
    log.add("payment", "p1", "c", 3, alias="y")
    log.add("payment", "p2", "c")
    return log


def truth_of(log):
    truth = {kind: {} for kind in checker.KINDS}
    for (topic, key), (_, value) in log.last.items():
        kind = next(kind for kind, entity in checker.KINDS.items() if topic == f"atlar.{entity}")
        truth[kind][key] = {"version": value["version"], "deleted": False, "payload": checker.load_exact(value["raw"])}
    return truth


def set_header(record, name, text):
    next(pair for pair in record["headers"] if pair[0] == name)[1] = text


class Rules(unittest.TestCase):
    def setUp(self):
        self.log = good()
        self.truth = truth_of(self.log)

    def findings(self, **chosen):
        return checker.check(self.log.records, options(self.truth, **chosen))

    def assertReports(self, rule, text, **chosen):
        found = self.findings(**chosen)
        self.assertTrue(any(f.rule == rule and text in f.what for f in found), found)

    def record(self, key, number=1):
        return next(r for r in self.log.records if r["key"] == key and checker.number_of(r) == number)

    def test_good_records_pass(self):
        self.assertEqual([], self.findings())

    def test_a_lost_record_in_the_middle(self):
        self.log.records.remove(self.record("p1", 2))
        self.assertReports("V1", "change_no 3, 2 expected")

    def test_a_record_seen_twice(self):
        twice = copy.deepcopy(self.record("p2"))
        twice["offset"] = 99
        self.log.records.append(twice)
        self.assertReports("V1", "change_no 1, 2 expected")
        self.assertReports("ce_id", "was used at")
        self.assertReports("V2", "op c for an entity that lives")
        self.assertReports("V2", "the same content was published twice")

    def test_records_out_of_order(self):
        first, second = self.record("p1", 1), self.record("p1", 2)
        first["offset"], second["offset"] = second["offset"], first["offset"]
        self.assertReports("V1", "change_no 2, 1 expected")

    def test_a_gap_at_the_start(self):
        self.log.records.remove(self.record("p1", 1))
        self.assertReports("V1", "change_no 2, 1 expected")

    def test_another_partition(self):
        record = self.record("acc")
        record["partition"] = (record["partition"] + 1) % record["partitions"]
        self.assertReports("partition", "belongs in partition")

    def test_illegal_operations(self):
        cases = [
            ("p1", 1, "u", "does not live"), ("p1", 2, "r", "was published before"), ("p1", 2, "c", "that lives"),
            ("p1", 4, "u", "does not live"), ("p2", 1, "x", "none of r, c, u, d"), ("p2", 1, "d", "with after"),
        ]  # fmt: skip
        for key, number, op, text in cases:
            with self.subTest(op=op, key=key, number=number):
                self.setUp()
                self.record(key, number)["value"]["op"] = op
                self.assertReports("V2", text)

    def test_after_missing(self):
        self.record("p2")["value"]["after"] = None
        self.assertReports("V2", "op c without after")

    def test_before_missing_or_wrong(self):
        self.record("p1", 2)["value"]["before"] = None
        self.assertReports("V2", "op u without before")
        self.assertEqual([], self.findings(before=False))
        self.record("p1", 2)["value"]["before"] = after("p1", 9)
        self.assertReports("V2", "not what was published last")
        self.record("p2")["value"]["before"] = after("p2", 1)
        self.assertReports("V2", "op c with before")

    def test_the_same_content_twice_but_for_a_resync(self):
        record = self.record("p1", 2)
        set_header(record, "atlar_fingerprint", checker.header(self.record("p1", 1), "atlar_fingerprint"))
        self.assertReports("V2", "twice in a row")
        record["value"]["source"]["snapshot"] = "resync"
        self.assertEqual([], self.findings())

    def test_a_falling_version_but_for_another_generation(self):
        self.record("p1", 4)["value"]["source"]["entity_version"] = 1
        self.record("p1", 4)["value"]["after"]["version"] = 1
        self.assertReports("V3", "version 1 after 2")
        self.record("p1", 4)["value"]["source"]["api_version"] = "v2"
        self.assertEqual([], self.findings())

    def test_a_source_that_disagrees(self):
        for name, wrong in [("connector", "x"), ("name", "x"), ("entity", "account"), ("organization_id", "x"),
                            ("entity_version", 5), ("snapshot", "true"), ("via", "magic"), ("stream", "accounts")]:
            with self.subTest(name=name):
                self.setUp()
                self.record("p2")["value"]["source"][name] = wrong
                self.assertReports("source", name)

    def test_a_key_that_is_not_the_id(self):
        self.record("p2")["value"]["after"]["id"] = "other"
        self.assertReports("source", "id is 'other'")

    def test_wrong_headers(self):
        cases = {
            "ce_specversion": "0.3", "ce_id": str(uuid.uuid4()), "ce_type": "atlar.payment.updated.v1",
            "ce_source": "/atlar/other/payment", "ce_subject": "p3", "ce_time": "2025-10-09T08:53:20Z",
            "ce_dataschema": "http://user:password@127.0.0.1:8081/schemas/ids/7", "content-type": "application/json",
            "traceparent": "00-" + "0" * 32 + "-" + "b" * 16 + "-01", "atlar_stream": "payments/other",
            "atlar_batch": "three", "atlar_fingerprint": "1:abc",
        }  # fmt: skip
        self.assertEqual(checker.HEADERS, cases.keys())
        for name, wrong in cases.items():
            with self.subTest(name=name):
                self.setUp()
                set_header(self.record("p2"), name, wrong)
                self.assertReports("headers", name)
                self.record("p2")["headers"] = [pair for pair in self.record("p2")["headers"] if pair[0] != name]
                self.assertReports("headers", f"{name} is missing")

    def test_repeated_and_unknown_headers(self):
        self.record("p2")["headers"].append(["ce_id", "x"])
        self.assertReports("headers", "ce_id is there 2 times")
        self.record("p2")["headers"].append(["iban", "x"])
        self.assertReports("headers", "iban is not one of ours")

    def test_a_schema_id_that_is_not_the_records(self):
        self.record("p2")["schema_id"] = 8
        self.assertReports("headers", "ce_dataschema")

    def test_no_key_or_no_value(self):
        for name in ("key", "value"):
            self.setUp()
            self.record("p2")[name] = None
            self.assertReports("record", "needs a key and a value")

    def test_a_record_that_was_never_published(self):
        self.log.records.remove(self.record("p2"))
        self.assertReports("V4", "never published")

    def test_a_record_that_the_bank_never_had(self):
        del self.truth["accounts"]["acc"]
        self.assertReports("V5", "never had it")

    def test_another_organization(self):
        for record in self.log.records:
            record["value"]["source"]["organization_id"] = "other"
        self.assertReports("V5", "is not the bank's")

    def test_a_kind_that_the_truth_lacks(self):
        del self.truth["transactions"]
        self.assertReports("V5", "nothing about transactions")

    def test_deletes(self):
        self.truth["transactions"]["p2"]["deleted"] = 404
        self.assertReports("V5", "lives on the topic")
        self.assertEqual([], self.findings(deletes=False))
        self.log.add("payment", "p2", "d")
        self.assertEqual([], self.findings())
        self.truth["transactions"]["p2"]["deleted"] = False
        self.assertReports("V5", "deleted on the topic")

    def test_another_content(self):
        self.truth["transactions"]["p2"]["payload"]["amount"]["value"] = checker.Number("1251")
        self.assertReports("V5", "not what the bank holds")

    def test_another_version_alone_is_no_difference(self):
        self.truth["transactions"]["p2"]["version"] = 12
        self.truth["transactions"]["p2"]["payload"]["version"] = checker.Number("12")
        self.truth["transactions"]["p2"]["payload"]["extra"] = {"empty": None}
        self.assertEqual([], self.findings())

    def test_an_older_version_without_contents_to_compare(self):
        self.truth["transactions"]["p2"] = {"version": "2", "deleted": False}
        self.assertReports("V5", "the bank holds 2")

    def test_a_balance_moves_no_account(self):
        self.truth["accounts"]["acc"]["payload"]["balance"] = {"value": checker.Number("5")}
        self.assertEqual([], self.findings())
        self.truth["transactions"]["p2"]["payload"]["balance"] = {"value": checker.Number("5")}
        self.assertReports("V5", "not what the bank holds")

    def test_digits_of_a_number_count(self):
        self.assertNotEqual(checker.load_exact("1.0"), checker.load_exact("1"))
        self.assertEqual("12345678901234567890.10", checker.load_exact("12345678901234567890.10"))


class Program(unittest.TestCase):
    def run_on(self, records, truth):
        with tempfile.TemporaryDirectory() as folder:
            lines, bank = os.path.join(folder, "lines"), os.path.join(folder, "truth")
            with open(lines, "w", encoding="utf-8") as file:
                file.writelines(json.dumps(record) + "\n" for record in records)
            with open(bank, "w", encoding="utf-8") as file:
                json.dump({"organization_id": "org", "entities": truth}, file)
            with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
                code = checker.main([lines, "--truth", bank])
        return code, json.loads(out.getvalue()), err.getvalue()

    def plain_truth(self, log):
        return {kind: {key: {"version": 1, "deleted": False, "payload": json.loads(log.last[f"atlar.{entity}", key][1]["raw"])}
                       for topic, key in log.last if topic == f"atlar.{entity}"}
                for kind, entity in checker.KINDS.items()}

    def test_good_records_end_with_0(self):
        log = good()
        code, summary, _ = self.run_on(log.records, self.plain_truth(log))
        self.assertEqual((0, 0, 8), (code, summary["findings"], summary["records"]))

    def test_a_finding_ends_with_1_and_is_printed(self):
        log = good()
        truth = self.plain_truth(log)
        code, summary, printed = self.run_on(log.records[:-1], truth)
        self.assertEqual((1, 1), (code, summary["findings"]))
        self.assertIn("V4: atlar.payment key p2", printed)

    def test_nothing_to_check_is_a_failure(self):
        self.assertEqual(1, self.run_on([], {kind: {} for kind in checker.KINDS})[0])


class Murmur2(unittest.TestCase):
    def test_known_values(self):
        """The values of Kafka's own test of this hash."""
        cases = {
            b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536,
            b"a-little-bit-longer-string": -1486304829, b"abc": 479470107,
            b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        }  # fmt: skip
        for text, expected in cases.items():
            self.assertEqual(expected & 0xFFFFFFFF, checker.murmur2(text), text)


class EventIds(unittest.TestCase):
    def test_the_namespace_is_derived_from_the_name(self):
        self.assertEqual(checker.NAMESPACE, uuid.uuid5(uuid.NAMESPACE_URL, "atlar-ingestor"))


if __name__ == "__main__":
    unittest.main()
