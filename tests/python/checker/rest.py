"""V5: at rest the topics are what the bank holds."""

import collections

from .bank import account_of
from .content import canonical, load_exact

SOURCE_KINDS = {"expected-transactions": "external-payments"}
# Members of external payments that the list of expected transactions does not have.
EXTENSION = ("scheme", "counterparty", "mandateReference")


def v5(given, report):
    """V5: at rest the last change of each key is what the bank holds, and nothing else was published.

    Compared is `after.raw` with the bank's payload of the generation that the event was read in, without what means
    nothing and what moves without meaning; without raw the version. So it decides on every member that the bank
    sends, and not on how it was mapped nor on what joins added to it. An entity that was rebased to the other
    generation by a state record is compared by its version alone. A balance of v1 is the one inside its account.
    Payments of a deleted account are frozen: they are not compared. What has a dead letter with the bank's content is
    published that way. Accounts named in --excluded, and what is on them, must not be there.

    It needs the promise of --quiet-source: the bank has not changed since before the last complete cycle."""
    if given.bank is None:
        report.missing("no --simulator")
        return
    if not given.options.quiet:
        report.missing("no --quiet-source")
        return
    if given.bank.moved:
        report.missing("the bank changed while it was read")
        return
    for change in given.changes:
        if given.bank.organization is not None and change.source.get("organization_id") != given.bank.organization:
            report.wrong(change.where, f"organization {change.source.get('organization_id')!r} is not the bank's")
    states = given.state.last()
    for entity, kind in published_kinds(given):
        topic = given.topic(entity)
        last = {key: history[-1] for (name, key), history in given.histories.items() if name == entity}
        held = held_by(given, entity, kind)
        for key in held.keys() | last.keys():
            report.count()
            check = Comparison(given, report, topic, entity, key, last.get(key), states.get((entity, key)))
            check.compare(held.get(key))


def published_kinds(given):
    """The bank's kind of each entity; of external payments that of the list that they are read from."""
    yield from (("account", "accounts"), ("counterparty", "counterparties"), ("payment", "transactions"))
    yield "balance", "balances"
    names = {found.stream.partition("/")[2] for found in given.state.entities if found.entity == "external-payment"}
    names |= {control.value for control in given.state.of("source")}
    for name in sorted(names) or ["external-payments"]:
        yield "external-payment", SOURCE_KINDS.get(name, name)


def held_by(given, entity, kind):
    """What the bank holds, by the key under which it is published: for each generation an entry of its truth."""
    held = collections.defaultdict(dict)
    for generation in (1, 2):
        kinds = given.bank.kinds(generation)
        for key, entry in balances(kinds, generation) if entity == "balance" else kinds.get(kind, {}).items():
            held[key][generation] = entry
    if entity == "balance":
        # Which of the two the workspace reads decides what must be there.
        read = [control.value for control in given.state.of("generation") if control.name == "balances"]
        read = read[-1] if read else 1
        held = {key: entries for key, entries in held.items() if read in entries}
    return held


def balances(kinds, generation):
    if generation == 1:
        for account, entry in kinds.get("accounts", {}).items():
            payload = entry.get("payload")
            found = payload.get("balance") if isinstance(payload, dict) else None
            if isinstance(found, dict) and found:
                yield f"{account}/{found.get('type') or 'UNKNOWN'}", {**entry, "payload": found,
                                                                     "version": found.get("version")}
        return
    newest = {}
    for entry in kinds.get("balances", {}).values():
        payload = entry.get("payload")
        if isinstance(payload, dict):
            key = f"{payload.get('accountId')}/{payload.get('type') or 'UNKNOWN'}"
            moment = (str(payload.get("localDate")), str(payload.get("timestamp")))
            if key not in newest or moment >= newest[key][0]:
                newest[key] = moment, entry
    yield from ((key, entry) for key, (_, entry) in newest.items())


class Comparison:
    """One key: what was published last, and what the bank holds in each generation."""

    def __init__(self, given, report, topic, entity, key, change, state):
        self.given, self.report, self.entity, self.key = given, report, entity, key
        self.change, self.state = change, state
        self.where = change.where if change is not None else f"{topic} key {key}"

    def wrong(self, what):
        self.report.wrong(self.where, what)

    def compare(self, entries):
        lives = self.change is not None and self.change.op != "d"
        if not entries:
            return self.wrong("the bank never had it")
        entry = entries.get(self.change.generation if lives else 1) or next(iter(entries.values()))
        account = self.account(entry)
        if account in self.given.options.excluded:
            return self.wrong("is on an account that was left out") if self.change is not None else None
        if entry.get("deleted"):
            if lives and self.given.options.deletes and not self.is_frozen(account):
                self.wrong("was deleted by the bank and lives on the topic")
            return None
        if self.is_frozen(account):
            return self.report.note("on a deleted account, not compared")
        if not lives:
            if self.has_letter(entry):
                return self.report.note("published as a dead letter")
            deleted = self.change is not None
            what = "deleted on the topic" if deleted else "was never published"
            return self.wrong(f"is held by the bank and {what}")
        return self.contents(entries)

    def contents(self, entries):
        if self.state is not None and self.state.generation != self.change.generation:
            self.report.note("rebased to the other generation, compared by version")
            entry = entries.get(self.state.generation)
            if entry is not None and str(entry.get("version")) != str(self.state.version):
                self.wrong(f"version {self.state.version} on record, the bank holds {entry.get('version')}")
            return
        entry = entries.get(self.change.generation)
        if entry is None:
            return self.wrong(f"the bank does not have it in v{self.change.generation}")
        raw = (self.change.after or {}).get("raw")
        same_version = str(entry.get("version")) == str(self.change.version)
        if raw is None:
            self.report.note("without raw, compared by version")
            if not same_version:
                self.wrong(f"version {self.change.version}, the bank holds {entry.get('version')}")
            return
        # A higher version with equal content is no event, so the content decides, not the version.
        if canonical(load_exact(raw), self.entity) != canonical(self.payload(entry), self.entity):
            if self.has_letter(entry):
                return self.report.note("published as a dead letter")
            self.wrong("its content is not what the bank holds" + ("" if same_version else " (an older version)"))

    def payload(self, entry):
        payload = entry.get("payload")
        if isinstance(payload, dict) and str(self.change.stream).endswith("/expected-transactions"):
            return {name: value for name, value in payload.items() if name not in EXTENSION}
        return payload

    def account(self, entry):
        if self.entity == "account":
            return self.key
        return self.key.partition("/")[0] if self.entity == "balance" else account_of(entry.get("payload"))

    def is_frozen(self, account):
        """The payments of an account that is gone are listed no more."""
        found = self.given.bank.kinds(1).get("accounts", {}).get(account) or {}
        return self.entity == "payment" and bool(found.get("deleted"))

    def has_letter(self, entry):
        payload = entry.get("payload")
        letters = self.given.letters.get(self.key, ())
        return any(same_text(letter.get("raw"), payload) for letter in letters)


def same_text(raw, payload):
    try:
        return load_exact(raw) == payload
    except (TypeError, ValueError):
        return False
