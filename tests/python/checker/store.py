"""A dump of the local store, JSON lines (docs/state-format.md, "The local store", says what the fields are):

    {"checkpoint": {"layout": 1, "cluster_id": "…", "genesis": "…", "next_offset": 123, "entries": 45, …}}
    {"key": "<index key, 32 hex digits>", "fingerprint": "<32 hex digits>", "version": 7, "partition": 3, "offset": 12,
     "change_no": 2, "batch_no": 9, "resync": 0, "stream": "accounts", "algorithm": 1, "generation": 1,
     "deleted": false, "quarantined": false}
    {"control": "<key in hex>", "value": "<value in hex, format byte first>"}

The first line is the checkpoint as it is stored. Then one line for each entry of each bucket, the stream by its name;
`version` is null where the entry has none, `partition` and `offset` where it has no event. Then one line for each
control record. Short cuts and the seed are not dumped.
"""

import json

from .report import Unreadable

HEX_BYTES = {"key": 16, "fingerprint": 16}
ENTRY = {"key", "fingerprint", "version", "partition", "offset", "change_no", "batch_no", "resync", "stream",
         "algorithm", "generation", "deleted", "quarantined"}  # fmt: skip
CHECKPOINT = {"next_offset", "genesis", "entries"}


class Dump:
    """`entries` by index key in hex, `controls` by key."""

    def __init__(self, checkpoint, entries, controls):
        self.checkpoint, self.entries, self.controls = checkpoint, entries, controls


def read_dump(lines):
    checkpoint, entries, controls = None, {}, {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            if "checkpoint" in value:
                if not CHECKPOINT <= value["checkpoint"].keys():
                    raise ValueError("the checkpoint lacks a member")
                checkpoint = value["checkpoint"]
            elif "control" in value:
                controls[bytes.fromhex(value["control"])] = bytes.fromhex(value["value"])
            else:
                entry = entry_of(value)
                if value["key"] in entries:
                    raise ValueError("the same entry twice")
                entries[value["key"]] = entry
        except (KeyError, TypeError, ValueError) as error:
            raise Unreadable(f"store dump, line {number}: {error}") from error
    if checkpoint is None:
        raise Unreadable("store dump: it has no checkpoint")
    return Dump(checkpoint, entries, controls)


def entry_of(value):
    if set(value) != ENTRY:
        raise ValueError(f"members {sorted(set(value) ^ ENTRY)} are missing or unknown")
    for name, length in HEX_BYTES.items():
        if len(bytes.fromhex(value[name])) != length:
            raise ValueError(f"{name} is not of {length} bytes")
    place = (value["partition"], value["offset"])
    return {**value, "event": None if None in place else place}
