"""What the simulated bank says: the log of what it served, and what is true.

The log names no client. So whose listing a walk is, and whether its answers arrived, is concluded: a walk is a request
without token and then, each time, a request with the token that the answer before gave. A page that was asked for once
more replaces the one before. Where two walks wait for one token, the later one gets it.
"""

import dataclasses
import urllib.parse

# Lists of streams: kind of their items, generation, stream.
LISTS = {
    "/v1/accounts": ("accounts", 1, "accounts"),
    "/financial-data/v2/accounts": ("accounts", 2, "accounts"),
    "/v1/transactions": ("transactions", 1, "payments"),
    "/financial-data/v2/transactions": ("transactions", 2, "payments"),
    "/v1/counterparties": ("counterparties", 1, "counterparties"),
    "/payments/v2/counterparties": ("counterparties", 2, "counterparties"),
    "/v1/external-payments": ("external-payments", 1, "external-payments/external-payments"),
    "/payments/v2/external-payments": ("external-payments", 2, "external-payments/external-payments"),
    "/v1/expected-transactions": ("external-payments", 1, "external-payments/expected-transactions"),
    "/v1/direct-debits": ("direct-debits", 1, "external-payments/direct-debits"),
    "/payments/v2/direct-debits": ("direct-debits", 2, "external-payments/direct-debits"),
    "/financial-data/v2/pending-transactions": ("pending-transactions", 2, "external-payments/pending-transactions"),
    "/financial-data/v2/accounts/-/balances": ("balances", 2, "balances"),
}
ENTITY = {
    "accounts": "account",
    "transactions": "payment",
    "counterparties": "counterparty",
    "external-payments": "external-payment",
    "direct-debits": "external-payment",
    "pending-transactions": "external-payment",
    "balances": "balance",
}
# Faults with which an answer is still a whole and true page.
HARMLESS = {None, "slow", "stale", "duplicate-page"}


@dataclasses.dataclass
class Listing:
    """One walk through a list. `pages` holds the items of each page as [(id, version), …]."""

    stream: str
    kind: str
    generation: int
    begun_ms: int
    place: tuple = ()
    ended_ms: int = 0
    pages: list = dataclasses.field(default_factory=list)
    # token that the last page was asked with, and the one that the next page will be
    asked: str | None = None
    next: str | None = None
    complete: bool = False

    @property
    def items(self):
        return {item for page in self.pages for item in page}


class Bank:
    """`served`: lines of the served log in their order. `truth`: kinds by generation, 1 and 2, as the bank shows
    them. `dropped`: answers that the log has lost. `moved`: the bank changed while it was read."""

    def __init__(self, served, truth, organization=None, dropped=0, moved=False):
        self.served = served
        self.truth = truth
        self.organization = organization
        self.dropped = dropped
        self.moved = moved
        self.listings = walks(served)

    def kinds(self, generation):
        return self.truth.get(generation, {})

    def versions(self):
        """The versions of each (entity, id) that were in an answer. Balances are named by their own ids."""
        versions = {}
        for line in self.served:
            if line["kind"] in ENTITY and line["status"] == 200 and line["fault"] in HARMLESS:
                for name, version in line["items"]:
                    versions.setdefault((ENTITY[line["kind"]], name), set()).add(version)
        return versions

    def balance_key(self, name):
        """The key under which the balance with this id is published."""
        found = self.kinds(2).get("balances", {}).get(name)
        payload = found.get("payload") if found else None
        if not isinstance(payload, dict):
            return None
        return f"{payload.get('accountId')}/{payload.get('type') or 'UNKNOWN'}"

    def key_of(self, entity, name):
        return self.balance_key(name) if entity == "balance" else name


def walks(served):
    """The listings of the lists of streams, in the order in which they began."""
    listings, waiting = [], {}
    for line in served:
        place = place_of(line)
        if place is None or line["method"] != "GET":
            continue
        kind, generation, stream, name = place
        running = waiting.setdefault(name, [])
        if line["token"] is None:
            found = Listing(stream, kind, generation, line["received_ms"], place=name)
            listings.append(found)
            running.append(found)
        else:
            found = next((w for w in reversed(running) if w.next == line["token"]), None)
            again = next((w for w in reversed(running) if w.pages and w.asked == line["token"]), None)
            if found is None and again is not None:
                again.pages.pop()
                again.next, again.complete = line["token"], False
                found = again
        if found is None or not readable(line):
            continue
        found.asked, found.next = line["token"], line["next_token"] or None
        found.pages.append([tuple(item) for item in line["items"]])
        found.ended_ms = line["answered_ms"]
        found.complete = found.next is None
    return listings


def readable(line):
    return line["status"] == 200 and line["fault"] in HARMLESS and line["kind"] is not None


def place_of(line):
    """Kind, generation, stream, and what tells one list from another; None: not a list of a stream."""
    if line["path"] not in LISTS:
        return None
    kind, generation, stream = LISTS[line["path"]]
    query = dict(urllib.parse.parse_qsl(line["query"] or "", keep_blank_values=True))
    if stream == "payments":
        # The ingestor asks for the entries of one account only.
        if not query.get("accountId"):
            return None
        stream = f"payments/{query['accountId']}"
    rest = sorted((name, value) for name, value in query.items() if name not in ("token", "limit"))
    return kind, generation, stream, (line["path"], *rest)


def account_of(payload):
    """The account that a record of the bank names, in either generation."""
    if not isinstance(payload, dict):
        return None
    account = payload.get("account")
    return account.get("id") if isinstance(account, dict) else payload.get("accountId")
