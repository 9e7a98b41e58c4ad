"""V4 and V5 over doctored logs: what is missing, and what is not what the bank holds."""

import json
import unittest

from built_case import BuiltCase
from checker.content import load_exact
from checker.log import Record


def letter(log, key, raw, stream="payments/acc"):
    """A dead letter for the record."""
    event = {"stream": stream, "entity": "payment", "id": key, "reason": "out-of-range", "raw": raw}
    record = ("atlar.dead-letter", 0, f"{stream}/{key}".encode(), b"", [], event)
    log.transaction([record])


class Lost(BuiltCase):
    def lose(self, key):
        """Takes away all that is on record of a payment."""
        for partition in self.log.partitions.values():
            partition.records = [r for r in partition.records if key.encode() not in (r.key or b"")]

    def test_a_clean_log_passes(self):
        self.assertHolds("V4")
        self.assertHolds("V4", once=True)

    def test_a_record_that_was_never_published(self):
        self.lose("p2")
        self.assertReports("V4", "key p2", "version 1 was in two complete listings of payments/acc")

    def test_a_change_that_was_never_published(self):
        self.lose("p1")
        self.assertReports("V4", "key p1", "version 2")

    def test_a_state_record_is_enough(self):
        # cp has version 2 with the content of version 1: no event, and a state record.
        self.assertEqual(2, self.log.given().state.last()["counterparty", "cp"].version)
        self.log.remove(self.log.entity("counterparty", "cp"))
        self.assertReports("V4", "key cp", "version 2 was in two complete listings")

    def test_listings_of_an_owner_that_died_ask_for_nothing(self):
        self.lose("p2")
        # Each listing is in a session of its own.
        last = self.log.controls("\0S")[-1]
        for number, line in enumerate(self.log.served):
            if line["token"] is None:
                value = b"\1" + json.dumps({"id": f"s{number}", "instance": f"host/{number}"}).encode()
                session = Record("atlar.state", 0, last.offset, last.key, value, timestamp=line["received_ms"])
                session.transactional = False
                self.log.state.records.append(session)
        self.assertUnchecked("V4", "no two complete listings of a stream that an owner outlived")
        self.assertReports("V4", "key p2", "two complete listings", once=True)
        # A process that had to acquire again has dropped what it had listed.
        for record in self.log.controls("\0S"):
            record.value = b"\1" + json.dumps(json.loads(record.value[1:]) | {"instance": "host/1"}).encode()
        # The listing of the last session was not completed.
        self.log.served.pop()
        self.assertUnchecked("V4", "that an owner outlived", once=True)

    def test_a_listing_that_broke_off_is_none(self):
        self.lose("p2")
        for line in self.log.served:
            if line["path"] == "/v1/transactions" and line["token"] is not None:
                line["status"] = 500
        self.assertEqual([], self.log.report("V4", once=True).violations)

    def test_what_a_replica_served_late_asks_for_nothing(self):
        entry = self.log.hold("payment", "p3") and self.log.hold("payment", "p3", amount=5)
        self.log.cycle()
        self.log.publish()
        entry["version"] = 1
        for _ in range(3):
            self.log.cycle()
        report = self.log.report("V4")
        self.assertEqual([], report.violations)
        self.assertGreater(report.notes["older than what was served before"], 0)

    def test_a_dead_letter_is_an_answer_where_it_is_of_that_list(self):
        self.lose("p2")
        letter(self.log, "p2", "{}", stream="payments/other")
        self.assertReports("V4", "key p2", "two complete listings")
        letter(self.log, "p2", "{}")
        self.assertHolds("V4")

    def test_listings_read_for_ids_only_ask_for_nothing(self):
        for _ in range(3):
            self.log.serve("/financial-data/v2/accounts", [("acc", 1), ("other", 1)], kind="accounts")
        self.assertReports("V4", "key other", "two complete listings")
        self.log.alone("\0V/accounts", 1)
        self.assertHolds("V4")
        self.log.alone("\0V/accounts", 2)
        self.assertHolds("V4")
        for _ in range(3):
            self.log.serve("/financial-data/v2/accounts", [("acc", 1), ("other", 1)], kind="accounts")
        self.assertReports("V4", "key other", "two complete listings")

    def test_a_compacted_topic_has_forgotten_versions_without_event(self):
        self.log.hold("counterparty", "cp")
        self.log.cycle()
        self.log.publish()
        given = self.log.given()
        second = next(f.record for f in given.state.entities if f.key == ("counterparty", "cp") and f.version == 2)
        self.log.remove(second)
        self.assertReports("V4", "key cp", "version 2")
        self.log.state.holes = 1
        self.assertHolds("V4")

    def test_answers_that_the_log_has_lost_are_counted(self):
        self.log.dropped = 4
        self.assertIn("answers dropped from the log, so that listings before are not seen", self.log.report("V4").notes)

    def test_without_the_bank_it_says_so(self):
        self.log.bankless = True
        self.assertUnchecked("V4", "no --simulator")

    def test_accounts_that_are_left_out(self):
        self.lose("acc")
        self.lose("p2")
        self.assertReports("V4", "atlar.account key acc", "two complete listings")
        self.assertHolds("V4", excluded=frozenset(["acc"]))


class Rest(BuiltCase):
    def hold(self, key, **members):
        """Changes the bank's record behind the ingestor's back."""
        payload = self.log.truth["transactions"][key]["payload"]
        payload |= load_exact(json.dumps(members))

    def test_a_clean_log_passes(self):
        self.assertHolds("V5")

    def test_another_content(self):
        self.hold("p2", amount=8)
        self.assertReports("V5", "key p2", "its content is not what the bank holds")

    def test_what_means_nothing_and_what_moves_without_meaning(self):
        self.hold("p2", version=12, etag="x", updated="now", empty={"a": None, "b": [""]})
        self.assertHolds("V5")
        self.hold("p2", externalMetadata={"version": "1"})
        self.assertReports("V5", "key p2", "its content is not what the bank holds")

    def test_a_balance_moves_no_account(self):
        account = self.log.truth["accounts"]["acc"]["payload"]
        account["balance"] = {}
        self.assertHolds("V5")
        self.hold("p2", balance={"amount": 1})
        self.assertReports("V5", "key p2", "its content")

    def test_a_balance_is_what_is_inside_its_account(self):
        self.log.truth["accounts"]["acc"]["payload"]["balance"] = load_exact('{"type": "BOOKED", "amount": 1}')
        self.assertReports("V5", "atlar.balance key acc/BOOKED", "was never published")

        entry = self.log.publish_balance()
        self.log.truth["accounts"]["acc"]["payload"]["balance"] = dict(entry["payload"])
        self.assertHolds("V5")
        self.log.truth["accounts"]["acc"]["payload"]["balance"]["amount"] = "6"
        self.assertReports("V5", "key acc/BOOKED", "its content")

    def test_expected_transactions_lack_some_members(self):
        self.log.truth["external-payments"]["ep"]["payload"]["scheme"] = "SEPA"
        self.assertReports("V5", "key ep", "its content")
        self.log.change("ep").event["source"]["stream"] = "external-payments/expected-transactions"
        self.assertHolds("V5")
        self.log.alone("\0E", "expected-transactions")
        self.log.entity("external-payment", "ep").value = (
            self.log.entity("external-payment", "ep").value[:60] + b"external-payments/expected-transactions"
        )
        self.assertHolds("V5")

    def test_a_record_that_only_the_other_generation_has(self):
        self.log.truth_of_v2 = {kind: dict(held) for kind, held in self.log.truth.items()}
        del self.log.truth["transactions"]["p2"]
        self.assertReports("V5", "key p2", "the bank does not have it in v1")

    def test_a_record_that_was_never_published(self):
        self.log.remove(self.log.change("p2"))
        self.assertReports("V5", "key p2", "was never published")

    def test_a_record_that_the_bank_never_had(self):
        del self.log.truth["counterparties"]["cp"]
        self.assertReports("V5", "key cp", "never had it")

    def test_deletes(self):
        self.log.truth["transactions"]["p2"]["deleted"] = 404
        self.assertReports("V5", "key p2", "was deleted by the bank and lives on the topic")
        self.assertHolds("V5", deletes=False)
        self.log.truth["transactions"]["gone"]["deleted"] = False
        self.assertReports("V5", "key gone", "deleted on the topic", deletes=False)

    def test_payments_of_a_deleted_account_are_frozen(self):
        self.log.truth["accounts"]["acc"]["deleted"] = 410
        self.hold("p2", amount=8)
        self.assertEqual([], self.log.report("V5", deletes=False).violations)

    def test_another_organization(self):
        self.log.organization = "other"
        self.assertReports("V5", "key p2", "organization 'org' is not the bank's")

    def test_a_dead_letter_is_an_answer_where_it_has_the_content(self):
        self.hold("p2", amount=8)
        payload = self.log.truth["transactions"]["p2"]["payload"]
        letter(self.log, "p2", json.dumps({"id": "p2"}))
        self.assertReports("V5", "key p2", "its content is not what the bank holds")
        letter(self.log, "p2", '{"id": "p2", "amount": 8, "version": 1, "account": {"id": "acc"}}')
        self.assertEqual(load_exact('{"id": "p2", "amount": 8, "version": 1, "account": {"id": "acc"}}'), payload)
        self.assertHolds("V5")

    def test_without_raw_the_version_decides(self):
        record = self.log.change("p2")
        record.event["after"]["raw"] = None
        self.assertHolds("V5")
        self.log.truth["transactions"]["p2"]["version"] = 2
        self.assertReports("V5", "key p2", "version 1, the bank holds 2")

    def test_what_was_rebased_to_the_other_generation_is_compared_by_version(self):
        record = self.log.entity("payment", "p2")
        record.value = record.value[:3] + b"\2" + record.value[4:]
        self.hold("p2", amount=8)
        self.assertHolds("V5")
        self.log.truth["transactions"]["p2"]["version"] = 2
        self.assertReports("V5", "key p2", "version 1 on record, the bank holds 2")

    def test_what_it_needs(self):
        self.assertUnchecked("V5", "no --quiet-source", quiet=False)
        self.log.moved = True
        self.assertUnchecked("V5", "the bank changed while it was read")
        self.log.bankless = True
        self.assertUnchecked("V5", "no --simulator")

    def test_accounts_that_are_left_out(self):
        self.assertReports("V5", "key p2", "on an account that was left out", excluded=frozenset(["acc"]))


if __name__ == "__main__":
    unittest.main()
