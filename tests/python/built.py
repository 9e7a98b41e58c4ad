"""Builds what the checker reads, as a bank and an ingestor without faults would leave it, for tests to doctor.

`hold` changes the bank, `cycle` lists everything, `publish` commits what differs from what was published. A test spoils
one thing after that and asks a rule.
"""

import datetime
import hashlib
import json
import struct
import uuid

import check
from checker.bank import Bank
from checker.content import canonical, load_exact
from checker.form import NAMESPACE, WORDS
from checker.given import ENTITIES, Given, Options
from checker.hashes import partition_of
from checker.log import Marker, Partition, Record
from checker.state import FIXED
from checker.store import read_dump
from checker.views import index_key

PARTITIONS = 3
PATHS = {"account": "/v1/accounts", "payment": "/v1/transactions", "counterparty": "/v1/counterparties",
         "external-payment": "/v1/external-payments"}  # fmt: skip
KINDS = {"account": "accounts", "payment": "transactions", "counterparty": "counterparties",
         "external-payment": "external-payments"}  # fmt: skip
STREAMS = {"account": "accounts", "payment": "payments/acc", "counterparty": "counterparties",
           "external-payment": "external-payments/external-payments", "balance": "balances"}  # fmt: skip


class Built:
    def __init__(self):
        self.now = 1_760_000_000_120
        self.partitions = {(f"atlar.{name}", number): Partition(f"atlar.{name}", number)
                           for name in ENTITIES for number in range(PARTITIONS)}
        for name in ("state", "dead-letter", "inbox"):
            self.partitions[f"atlar.{name}", 0] = Partition(f"atlar.{name}", 0)
        self.state = self.partitions["atlar.state", 0]
        self.truth = {kind: {} for kind in [*KINDS.values(), "balances"]}
        self.served, self.published, self.batch_no, self.epoch, self.session_id = [], {}, 0, 0, None
        self.truth_of_v2 = self.truth
        self.organization, self.dropped, self.moved, self.dump, self.bankless = "org", 0, False, None, False
        self.alone("\0G", {"id": "genesis", "partitions": {f"atlar.{name}": PARTITIONS for name in ENTITIES}})
        self.session("one")

    # --- the bank ---------------------------------------------------------------------------------------------

    def hold(self, entity, key, **members):
        """A record of the bank, or a change of it: its version rises."""
        entry = self.truth[KINDS[entity]].setdefault(key, {"version": 0, "deleted": False})
        entry["version"] += 1
        payload = {**json.loads(entry.get("text", json.dumps({"id": key}))), **members, "version": entry["version"]}
        if entity == "payment":
            payload["account"] = {"id": "acc"}
        entry["text"] = json.dumps(payload)
        entry["payload"] = load_exact(entry["text"])
        return entry

    def serve(self, path, items=(), query="", token=None, following=None, fault=None, status=200, kind=None):
        self.now += 10
        kind = kind or next((KINDS[entity] for entity, known in PATHS.items() if path.startswith(known)), None)
        self.served.append({
            "line": len(self.served), "request": len(self.served), "received_ms": self.now - 5,
            "answered_ms": self.now, "method": "GET", "path": path, "query": query, "status": status, "auth": "basic",
            "fault": fault, "token": token, "next_token": following, "kind": kind, "items": [list(i) for i in items],
        })  # fmt: skip
        return self.served[-1]

    def cycle(self):
        """Every list, in two pages."""
        for entity, path in PATHS.items():
            held = self.truth[KINDS[entity]].items()
            items = [(key, entry["version"]) for key, entry in held if not entry["deleted"]]
            query = "accountId=acc&limit=25" if entity == "payment" else "limit=25"
            self.serve(path, items[:1], query, following="t1")
            self.serve(path, items[1:], f"{query}&token=t1", token="t1")

    # --- the ingestor -----------------------------------------------------------------------------------------

    def session(self, name):
        self.session_id = name
        self.alone("\0S", {"id": name, "instance": f"host/{name}", "started_ms": self.now, "program": "0"})

    def alone(self, key, value):
        self.transaction([self.control(key, value)])

    def control(self, key, value):
        return ("atlar.state", 0, key.encode(), b"\1" + json.dumps(value).encode(), [], None)

    def transaction(self, records, commit=True):
        """Appends records and markers; returns the records, their offsets known."""
        self.epoch += 1
        self.now += 10
        written, touched = [], []
        for topic, number, key, value, headers, event in records:
            partition = self.partitions[topic, number]
            record = Record(topic, number, partition.end, key, value, headers, self.now, 7, self.epoch,
                            event=event, schema_id=5)  # fmt: skip
            partition.records.append(record)
            partition.end += 1
            written.append(record)
            touched.append(partition)
        for partition in {id(p): p for p in touched}.values():
            partition.markers.append(Marker(partition.end, 7, self.epoch, commit))
            partition.end += 1
            partition.stable = partition.end
        return written

    def publish(self, more=(), commit=True, generation=1):
        """One batch: what the bank holds and was not published, with `more` from the test: (entity, key, op)."""
        wanted = []
        for entity, kind in KINDS.items():
            for key, entry in self.truth[kind].items():
                last = self.published.get((entity, key))
                content = str(canonical(entry["payload"], entity))
                if last is None:
                    wanted.append((entity, key, "r", entry, content))
                elif last["op"] != "d" and last["content"] != content:
                    wanted.append((entity, key, "u", entry, content))
                elif last["version"] != entry["version"]:
                    wanted.append((entity, key, None, entry, content))
        for entity, key, op in more:
            entry = self.truth[KINDS[entity]][key]
            wanted.append((entity, key, op, entry, str(canonical(entry["payload"], entity))))
        return self.commit(wanted, commit, generation)

    def commit(self, wanted, commit=True, generation=1):
        number, events, states, following = self.batch_no + 1, [], [], dict(self.published)
        for entity, key, op, entry, content in wanted:
            last = following.get((entity, key), {"change_no": 0, "after": None, "op": None, "event": None})
            known = {**last, "version": entry["version"], "generation": generation, "batch_no": number}
            if op is not None:
                known |= {"op": op, "content": content, "change_no": last["change_no"] + 1, "version": entry["version"]}
                events.append(self.event(entity, key, known, last, entry, number))
                known["after"] = events[-1][5]["after"]
                home = self.partitions[events[-1][0], events[-1][1]]
                known["event"] = (home.number, home.end + sum(e[:2] == events[-1][:2] for e in events[:-1]))
            following[entity, key] = known
            states.append(("atlar.state", 0, f"{entity}\0{key}".encode(), state_value(entity, known), [], None))
        places = {}
        for topic, home, *_ in events:
            count, _ = places.get((topic, home), (0, 0))
            places[topic, home] = count + 1, self.partitions[topic, home].end + count
        xor = 0
        for event in events:
            xor ^= uuid.UUID(dict(event[4])["ce_id"]).int >> 64
        manifest = {
            "session": self.session_id, "batch_no": number, "state_records": len(states), "events": len(events),
            "partitions": [{"topic": topic, "partition": home, "count": count, "last_offset": offset}
                           for (topic, home), (count, offset) in places.items()],
            "change_xor": f"{xor:016x}", "inbox_offset": None,
        }  # fmt: skip
        written = self.transaction([*events, *states, self.control("\0M", manifest)], commit)
        if commit:
            self.batch_no, self.published = number, following
        return written

    def event(self, entity, key, known, last, entry, number):
        topic, stream, deleted = f"atlar.{entity}", STREAMS[entity], known["op"] == "d"
        ts_ms, raw = self.now, entry["text"]
        after = None if deleted else {"id": key, "organization_id": "org", "version": entry["version"], "raw": raw}
        value = {
            "before": last["after"] if known["op"] in "ud" else None, "after": after, "op": known["op"],
            "ts_ms": ts_ms, "changed_fields": [],
            "source": {
                "connector": "atlar", "version": "0", "name": "atlar", "ts_ms": ts_ms,
                "snapshot": "first" if known["op"] == "r" else "false", "organization_id": "org",
                "api_version": f"v{known['generation']}", "entity": entity, "stream": stream,
                "change_no": known["change_no"], "entity_version": entry["version"], "via": "poll",
            },
        }  # fmt: skip
        headers = {
            "ce_specversion": "1.0", "ce_id": str(uuid.uuid5(NAMESPACE, f"{topic}/{key}/{known['change_no']}")),
            "ce_type": f"atlar.{entity}.{WORDS[known['op']]}.v1", "ce_source": f"/atlar/org/{entity}",
            "ce_subject": key, "ce_time": time_of(ts_ms),
            "ce_dataschema": "http://127.0.0.1:8081/apis/ccompat/v7/schemas/ids/5", "content-type": "application/avro",
            "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-00", "atlar_stream": stream,
            "atlar_batch": str(number), "atlar_fingerprint": f"1:{fingerprint(known['content'])}",
        }  # fmt: skip
        home = partition_of(key.encode(), PARTITIONS)
        return topic, home, key.encode(), b"\0\0\0\0\5", list(headers.items()), value

    def publish_balance(self, op="r", generation=1):
        """The balance of the account, in a batch of its own."""
        text = '{"id": "b1", "accountId": "acc", "type": "BOOKED", "version": 4, "amount": 5}'
        entry = {"version": 4, "text": text, "payload": load_exact(text), "deleted": False}
        self.commit([("balance", "acc/BOOKED", op, entry, text)], generation=generation)
        return entry

    # --- what the checker is given ----------------------------------------------------------------------------

    def given(self, **options):
        for partition in self.partitions.values():
            check.settle(partition)
            partition.delivered = {record.offset for record in partition.records if record.visible}
        bank = None if self.bankless else Bank(self.served, {1: self.truth, 2: self.truth_of_v2}, self.organization,
                                               self.dropped, self.moved)
        return Given("atlar", list(self.partitions.values()), bank, self.dump, Options(**{"quiet": True} | options))

    def report(self, rule, **options):
        return check.check(self.given(**options), [rule])[0]

    def make_dump(self):
        """Lines of a dump of the store as it is now."""
        given = self.given()
        entries = given.state.last().values()
        lines = [{"checkpoint": {"layout": 1, "genesis": "genesis", "next_offset": self.state.end,
                                 "entries": len(entries)}}]
        for found in entries:
            names = ("fingerprint", "version", "change_no", "batch_no", "resync", "stream", "algorithm", "generation",
                     "deleted", "quarantined")  # fmt: skip
            place = dict(zip(("partition", "offset"), found.event, strict=True))
            fields = {name: getattr(found, name) for name in names}
            lines.append({"key": index_key(found.record.key), **fields, **place})
        for control in given.state.last_controls(self.state.end).values():
            lines.append({"control": control.record.key.hex(), "value": control.record.value.hex()})
        return lines

    def keep(self, lines):
        self.dump = read_dump(json.dumps(line) for line in lines)

    # --- finding things to doctor -----------------------------------------------------------------------------

    def change(self, key, number=1):
        """The record of an event; the last one, as one before it may be of an aborted batch."""
        return [record for partition in self.partitions.values() for record in partition.records
                if record.event is not None and record.key == key.encode()
                and record.event["source"]["change_no"] == number][-1]

    def entity(self, entity, key):
        """The last state record of an entity."""
        return [record for record in self.state.records if record.key == f"{entity}\0{key}".encode()][-1]

    def controls(self, key):
        return [record for record in self.state.records if record.key == key.encode()]

    def remove(self, record):
        self.partitions[record.topic, record.partition].records.remove(record)


def clean():
    """Two sessions, an update, a version without change, a delete, an aborted batch: everything as it should be."""
    built = Built()
    built.alone("\0B", "api.example")
    built.alone("\0U", "another")
    built.transaction([built.control("\0U", "one more"), built.control("\0B", "api2.example")])
    built.hold("account", "acc", name="A")
    built.hold("payment", "p1", amount=1250)
    built.hold("payment", "p2", amount=7)
    built.hold("payment", "gone", amount=3)
    built.hold("counterparty", "cp", name="C")
    built.hold("external-payment", "ep", amount=1)
    built.cycle()
    built.publish()
    built.cycle()
    built.cycle()
    built.hold("payment", "p1", amount=1300)
    built.hold("counterparty", "cp")
    built.cycle()
    built.publish(commit=False)
    built.session("two")
    built.cycle()
    built.publish()
    built.truth["transactions"]["gone"]["deleted"] = 404
    for _ in range(3):
        built.cycle()
    built.serve("/v1/transactions/gone", status=404)
    built.publish(more=[("payment", "gone", "d")])
    built.cycle()
    return built


def state_value(entity, known, resync=0):
    flags = (1 if known["op"] == "d" else 0) | 4 | 8
    return FIXED.pack(1, flags, 1, known["generation"], *known["event"], known["change_no"],
                      bytes.fromhex(fingerprint(known["content"])), known["version"], known["batch_no"],
                      resync) + STREAMS[entity].encode()  # fmt: skip


def patched(value, at, form, number):
    """A state record's value with another number at a place of its layout."""
    return value[:at] + struct.pack(form, number) + value[at + struct.calcsize(form) :]


def fingerprint(content):
    return hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()


def time_of(ts_ms):
    seconds, rest = divmod(ts_ms, 1000)
    instant = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return instant.strftime("%Y-%m-%dT%H:%M:%S") + f".{rest:03d}Z"


def set_header(record, name, text):
    record.headers = [(key, text if key == name else value) for key, value in record.headers]
