"""The consumer reports what it cannot decode, and prints what it can in terms of JSON."""

import datetime
import decimal
import io
import json
import types
import unittest

import consume
import fastavro

SCHEMA = {
    "type": "record",
    "name": "E",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}], "default": None},
        {"name": "on", "type": {"type": "int", "logicalType": "date"}},
        {"name": "value", "type": {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9}},
    ],
}
VALUE = {
    "id": "a",
    "at": datetime.datetime(2026, 2, 3, 4, 5, 6, 7000, datetime.timezone.utc),
    "on": datetime.date(2026, 2, 3),
    "value": decimal.Decimal("-12.345678901"),
}


def message(schema_id=5):
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(SCHEMA), VALUE)
    return b"\0" + schema_id.to_bytes(4, "big") + body.getvalue()


def record(value):
    return types.SimpleNamespace(
        topic="t", partition=1, offset=2, timestamp=3, key="ö".encode(), headers=[("h", b"x"), ("h", b"y")], value=value
    )


class Consume(unittest.TestCase):
    def setUp(self):
        self.asked = []
        self.schemas = consume.Schemas("http://registry", self.answer)

    def answer(self, schema_id):
        self.asked.append(schema_id)
        return json.dumps(SCHEMA)

    def test_a_record_in_terms_of_json(self):
        for _ in range(2):
            line = consume.line_of(record(message()), 6, self.schemas)
        self.assertEqual([5], self.asked, "each schema is asked for once")
        self.assertEqual(
            {"id": "a", "at": "2026-02-03T04:05:06.007Z", "on": "2026-02-03", "value": "-12.345678901"}, line["value"]
        )
        self.assertEqual(("ö", [["h", "x"], ["h", "y"]], 6, 5),
                         (line["key"], line["headers"], line["partitions"], line["schema_id"]))
        json.dumps(line)

    def test_a_tombstone_stays_null(self):
        self.assertIsNone(consume.line_of(record(None), 6, self.schemas)["value"])

    def test_what_is_not_in_the_wire_format(self):
        for wrong in (b"", b"\0\0\0", b"\1" + message()[1:], b'{"id":"a"}'):
            with self.assertRaisesRegex(consume.Failure, "wire format"):
                self.schemas.decode(wrong)

    def test_bytes_left_over_or_missing(self):
        with self.assertRaisesRegex(consume.Failure, "left over"):
            self.schemas.decode(message() + b"x")
        with self.assertRaises(Exception):
            self.schemas.decode(message()[:-3])


if __name__ == "__main__":
    unittest.main()
