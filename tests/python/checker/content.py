"""When two records of the bank say the same (docs/events.md, "What is a change")."""

import json

# What moves in a record without meaning: in the record itself and in records inside it, which have an id.
MOVING = {"version", "etag", "updated"}
# Below these every name is the user's.
FREE = {"metadata", "externalMetadata"}


class Number(str):
    """A number as it was sent: 1.0 and 1 are different texts, and no digit of an amount may be lost."""


def load_exact(text):
    """JSON with every number as it was sent."""
    return json.loads(text, parse_int=Number, parse_float=Number)


def canonical(value, entity=None):
    """Content for comparison: without what means nothing, and without what moves without meaning."""
    return reduced(value, record=True, free=False, left_out={"balance"} if entity == "account" else set())


def reduced(value, record, free, left_out=frozenset()):
    if isinstance(value, dict):
        moving = set() if free else (MOVING if record else set()) | left_out
        items = {}
        for name, item in value.items():
            if name in moving or is_nothing(item):
                continue
            items[name] = reduced(item, is_record(item), free or name in FREE)
        return items
    if isinstance(value, list):
        return [reduced(item, is_record(item), free) for item in value if not is_nothing(item)]
    return exact(value)


def is_record(value):
    name = value.get("id") if isinstance(value, dict) else None
    return isinstance(name, str) and not isinstance(name, Number) and name != ""


def is_nothing(value):
    """null, "", {} and [], and what holds only those: Atlar uses them and a missing member side by side."""
    if isinstance(value, Number):
        return False
    if isinstance(value, dict):
        return all(is_nothing(item) for item in value.values())
    if isinstance(value, list):
        return all(is_nothing(item) for item in value)
    return value is None or value == ""


def exact(value):
    """A leaf, in which a number and a text of the same digits differ."""
    if isinstance(value, Number):
        return ("number", str(value))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return ("number", json.dumps(value))
    return value
