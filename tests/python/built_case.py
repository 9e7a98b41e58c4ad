"""A test case over a clean workspace: one thing is spoilt, and a rule must report it."""

import unittest

import built


class BuiltCase(unittest.TestCase):
    def setUp(self):
        self.log = built.clean()

    def assertHolds(self, rule, **options):
        report = self.log.report(rule, **options)
        self.assertEqual(([], []), (report.violations, report.unchecked))
        self.assertGreater(report.checked, 0, "it looked at nothing")

    def assertReports(self, rule, where, what, **options):
        found = self.log.report(rule, **options).violations
        self.assertTrue(any(where in v.where and what in v.what for v in found), found)

    def assertUnchecked(self, rule, reason, **options):
        report = self.log.report(rule, **options)
        self.assertEqual([], report.violations)
        self.assertTrue(any(reason in missing for missing in report.unchecked), report.unchecked)
