"""What a rule found: how much it looked at, what is wrong, and what it could not look at."""

import collections

Violation = collections.namedtuple("Violation", "where what")


class Unreadable(Exception):
    """What was to be checked cannot be read: one line for the person who started the check."""


class Report:
    """The findings of one rule. A rule that had nothing to look at says so by its count."""

    def __init__(self, rule):
        self.rule = rule
        self.checked = 0
        self.violations = []
        self.unchecked = []
        self.notes = collections.Counter()

    def count(self, number=1):
        self.checked += number

    def wrong(self, where, what):
        self.violations.append(Violation(where, what))

    def missing(self, reason):
        """A part of the rule that could not be checked, and why. Never passed over in silence."""
        if reason not in self.unchecked:
            self.unchecked.append(reason)

    def note(self, what):
        """Something that the rule left out by its own definition, counted."""
        self.notes[what] += 1

    def lines(self, show):
        """One line for the rule, one for each violation of the first `show`."""
        parts = [f"{self.checked} checked"]
        if self.violations:
            parts.append(f"{len(self.violations)} VIOLATED")
        parts += [f"not checked: {reason}" for reason in self.unchecked]
        parts += [f"{number} {what}" for what, number in sorted(self.notes.items())]
        word = "FAILED" if self.violations else "open" if self.unchecked else "ok"
        yield f"{self.rule:<9} {word:<6} {', '.join(parts)}"
        for violation in self.violations[:show]:
            yield f"    {violation.where}: {violation.what}"
        if len(self.violations) > show:
            yield f"    and {len(self.violations) - show} more"
