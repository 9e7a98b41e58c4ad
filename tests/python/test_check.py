"""The program: what it prints, and how it ends."""

import contextlib
import io
import json
import os
import tempfile
import unittest
import unittest.mock

import built
import check
from checker import save
from test_consume import SCHEMA, message


class Verdicts(unittest.TestCase):
    def verdict(self, log, names, **options):
        given = log.given(**options)
        return check.verdict(given, check.check(given, names))

    def test_a_clean_workspace_with_all_inputs(self):
        log = built.clean()
        log.keep(log.make_dump())
        self.assertEqual(0, self.verdict(log, list(check.RULES)))

    def test_what_could_not_be_checked_is_no_success(self):
        log = built.clean()
        self.assertEqual(2, self.verdict(log, list(check.RULES)))
        self.assertEqual(0, self.verdict(log, ["V1"]))

    def test_a_violation_outweighs_what_could_not_be_checked(self):
        log = built.clean()
        log.remove(log.change("p1", 1))
        self.assertEqual(1, self.verdict(log, ["V1", "V11"]))

    def test_a_check_of_nothing_proves_nothing(self):
        self.assertEqual(2, self.verdict(built.Built(), ["V1"]))

    def test_the_lines_of_a_rule(self):
        log = built.clean()
        for key in ("p1", "p2"):
            log.change(key, 1).event["source"]["change_no"] = 9
        report, other = check.check(log.given(), ["V1", "V11"])
        lines = list(report.lines(show=1))
        self.assertRegex(lines[0], r"^V1 +FAILED 8 checked, 2 VIOLATED$")
        self.assertRegex(lines[1], r"^    atlar.payment/\d offset \d+ key p\d: change_no 9, 1 expected$")
        self.assertEqual("    and 1 more", lines[2])
        self.assertEqual(["V11       open   0 checked, not checked: no --store-dump"], list(other.lines(show=1)))

    def test_each_rule_says_what_it_decides(self):
        for name, rule in check.RULES.items():
            self.assertTrue(rule.__doc__, name)


class Program(unittest.TestCase):
    def run_on(self, partitions, *more, schemas=None):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "saved")
            with open(path, "w", encoding="utf-8") as file:
                save.save(file, partitions, schemas or {})
            with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
                code = check.main(["--load", path, *more])
        return code, out.getvalue(), err.getvalue()

    def test_values_that_do_not_decode_are_findings(self):
        code, printed, _ = self.run_on(built.clean().given().partitions, "--only", "V12")
        self.assertEqual(1, code)
        self.assertIn("key p2: does not decode", printed)

    def test_values_decode_with_the_schemas_of_the_file(self):
        log = built.Built()
        log.transaction([("atlar.payment", 0, b"a", message(5), [], None)])
        partitions = log.given().partitions
        code, printed, _ = self.run_on(partitions, "--only", "V12", schemas={5: json.dumps(SCHEMA)})
        self.assertEqual((0, "V12       ok     1 checked\n"), (code, printed))
        code, printed, _ = self.run_on(partitions, "--only", "V12", schemas={6: json.dumps(SCHEMA)})
        self.assertEqual(1, code, printed)

    def test_nothing_that_can_be_read(self):
        with contextlib.redirect_stderr(io.StringIO()) as err:
            self.assertEqual(2, check.main(["--load", "/nowhere"]))
        self.assertIn("error: ", err.getvalue())

    def test_arguments(self):
        for wrong in (["--only", "V13"], [], ["--bootstrap", "x"]):
            with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit) as ended:
                check.main(wrong)
            self.assertEqual(2, ended.exception.code)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            self.assertEqual(0, check.main(["--explain"]))
        self.assertIn("\n\nV4: each version", out.getvalue())
        self.assertIn("\n\nheaders: Headers: each once", out.getvalue())

    def test_the_bank_is_asked_before_and_after(self):
        answers = {
            "/_simulator/truth?generation=v1": '{"organization_id":"org","revision":1,"entities":{"accounts":{}}}',
            "/_simulator/truth?generation=v2": '{"organization_id":"org","revision":1,"entities":{}}',
            "/_simulator/served": '{"log":{"first":2,"next":2,"dropped":2}}\n',
            "/_simulator/truth?payload=false&kind=accounts": '{"revision":2}',
        }
        ask = unittest.mock.patch("check.get", lambda url: answers[url.removeprefix("http://bank")])
        with ask:
            found, revision = check.ask_bank("http://bank/")
            self.assertEqual((2, False, "org"), (found.dropped, found.moved, found.organization))
            self.assertNotEqual(revision, check.revision("http://bank"))
            code, printed, _ = self.run_on(built.clean().given().partitions, "--only", "V5", "--quiet-source",
                                           "--simulator", "http://bank")
        self.assertEqual(2, code)
        self.assertIn("the bank changed while it was read", printed)


if __name__ == "__main__":
    unittest.main()
