"""The command line as a user meets it: help, exit codes and messages, on one rank and on two.

Usage: cli_test.py LIGATURE MPIEXEC
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest

LIGATURE = MPIEXEC = None
JOBS = ["synth", "plan", "rebuild", "evaluate", "export", "explain", "release", "register", "key", "digest", "verify"]
JOB_FILE = """[job]
secure = "run/secure"
publish = "run/publish"
key = "england.key"
[[extract]]
dataset = "gp"
files = "nothing.csv"
columns = { nhs_number = "nhs_number" }
"""


def run(*arguments, ranks=0, **options):
    command = ([MPIEXEC, "-n", str(ranks)] if ranks else []) + [LIGATURE, *arguments]
    return subprocess.run(command, text=True, timeout=120, capture_output="stdout" not in options, **options)


class Help(unittest.TestCase):
    def test_without_arguments_help_is_printed_as_an_error(self):
        result = run()
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        for job in JOBS:
            self.assertRegex(result.stderr, rf"(?m)^  {job} ")

    def test_there_are_these_jobs_and_no_others(self):
        listed = run("--help").stdout.split("Subcommands:\n")[1].split("\n\n")[0]
        self.assertEqual(re.findall(r"(?m)^  ([a-z]+) ", listed), JOBS)

    def test_every_job_explains_its_arguments_and_exit_codes(self):
        for job in JOBS:
            result = run(job, "--help")
            self.assertEqual((result.returncode, result.stderr), (0, ""), job)
            self.assertIn(f"Usage: ligature {job}", result.stdout)
            self.assertIn("Exit codes: 0 done; 1 ", result.stdout)

    def test_the_version_is_one_line(self):
        result = run("--version")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"\Aligature \d+\.\d+\.\d+\n\Z")

    def test_help_is_printed_by_one_rank(self):
        result = run("rebuild", "--help", ranks=2)
        self.assertEqual((result.returncode, result.stdout.count("Usage:")), (0, 1))

    def test_help_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w") as full:
            self.assertEqual(run("--help", stdout=full, stderr=subprocess.PIPE).returncode, 1)


class WrongCommand(unittest.TestCase):
    def refused(self, *arguments, message):
        result = run(*arguments)
        self.assertEqual((result.returncode, result.stdout), (2, ""), arguments)
        self.assertIn(message, result.stderr)

    def test_an_unknown_job_is_answered_with_the_nearest(self):
        self.refused("rebuid", "job.toml", message="there is no job 'rebuid'; did you mean 'rebuild'?")
        self.refused("wombat", message="known jobs: synth, plan,")
        self.refused("", message="there is no job ''")
        self.refused("key", "nwe", "x", message="there is no job 'key nwe'; did you mean 'new'?")

    def test_an_unknown_option_is_answered_with_the_nearest(self):
        self.refused("--versio", message="there is no option '--versio'; did you mean '--version'?")
        self.refused("rebuild", "a.toml", "--resum", message="there is no option '--resum'; did you mean '--resume'?")
        self.refused("evaluate", "run", "--trut=a.csv", message="did you mean '--truth'?")

    def test_missing_and_unknown_arguments_are_named(self):
        self.refused("rebuild", message="JOB.toml is required")
        self.refused("rebuild", "a.toml", "b.toml", message="b.toml")
        self.refused("rebuild", "a.toml", "--sed", "x=1", message="--sed")
        self.refused("rebuild", "a.toml", "--set", message="--set")
        self.refused("evaluate", "run", message="--truth is required")
        self.refused("export", "run", message="--index is required")
        self.refused("explain", "run", message="ROW is required")
        self.refused("explain", "run", "a", "b", "c", message="c")
        self.refused("digest", message="RUN is required")
        self.refused("verify", message="RUN is required")
        self.refused("synth", message="--out is required")
        self.refused("synth", "--out", "x", "--people", "10X", message="--people")

    def test_two_ranks_say_it_once(self):
        result = run("rebuild", ranks=2)
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr.count("JOB.toml is required"), 1)


class JobFile(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "job.toml")
        self.addCleanup(self.folder.cleanup)

    def write(self, text):
        with open(self.path, "w") as file:
            file.write(text)
        return self.path

    def test_all_mistakes_are_reported_once_whatever_the_ranks(self):
        self.write(JOB_FILE.replace("publish =", "pubish =").replace("files", "fils"))
        for ranks in (0, 1, 2):
            result = run("plan", self.path, ranks=ranks)
            self.assertEqual(result.returncode, 2)
            for message in ("4 mistakes in the job file", "'publish' in [job] is required",
                            f"{self.path}:3:1: unknown key 'pubish' in [job]; did you mean 'publish'?",
                            f"{self.path}:7:1: unknown key 'fils' in [[extract]]; did you mean 'files'?"):
                self.assertEqual(result.stderr.count(message), 1, message)

    def test_a_text_without_quotes_is_told_to_need_them(self):
        self.write(JOB_FILE.replace('"england.key"', "england.key"))
        result = run("plan", self.path)
        self.assertEqual(result.returncode, 2)
        self.assertIn("job.toml:4:", result.stderr)
        self.assertIn("texts stand in quotes", result.stderr)

    def test_known_keys_are_named_once(self):
        self.write(JOB_FILE + "[wombat]\n")
        self.assertIn("known keys: job, extract, reference,", run("plan", self.path).stderr)

    def test_no_rebuild_begins_with_a_wrong_job_file(self):
        self.write(JOB_FILE + "[limit]\n")
        self.assertEqual(run("rebuild", self.path, ranks=2).returncode, 2)
        self.assertEqual(os.listdir(self.folder.name), ["job.toml"])

    def test_no_rebuild_begins_with_writes_of_an_unknown_kind(self):
        self.write(JOB_FILE)
        result = run("rebuild", self.path, ranks=2, env={**os.environ, "LIGATURE_WRITES": "fast"})
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr.count("LIGATURE_WRITES must be direct or buffered"), 1)
        self.assertEqual(os.listdir(self.folder.name), ["job.toml"])

    def test_a_missing_job_file_is_named(self):
        for ranks in (0, 2):
            result = run("rebuild", "/no/such/job.toml", ranks=ranks)
            self.assertEqual(result.returncode, 2)
            self.assertEqual(result.stderr.count("no such job file: /no/such/job.toml"), 1)

    def test_an_override_is_checked_like_the_file(self):
        self.write(JOB_FILE)
        for override, message in (("job.threds=1", "--set job.threds: unknown key 'threds' in [job]"),
                                  ("job.threads=-1", "--set job.threads: 'threads' in [job] must be from 0"),
                                  ("extract.3.files=a", "--set extract.3.files: 'extract' has no item 3"),
                                  ("job.threads", "--set job.threads: expected key=value")):
            result = run("rebuild", self.path, "--set", override)
            self.assertEqual(result.returncode, 2)
            self.assertIn(message, result.stderr)

    def test_overrides_are_applied_in_order(self):
        self.write(JOB_FILE)
        result = run("plan", self.path, "--set", "job.threads=1", "--set", "job.threads=9999")
        self.assertEqual(result.returncode, 2)
        self.assertIn("'threads' in [job] must be from 0 to 4096", result.stderr)
        result = run("plan", self.path, "--set", "job.threads=9999", "--set", "job.threads=1")
        self.assertNotIn("threads", result.stderr)

    def test_bytes_that_are_no_text_are_refused(self):
        for content in (b"\xff\xfe[\0j\0", b"\0" * 100, b"[job]\nname = \"\xe9\"\n", bytes(range(256)) * 50):
            with open(self.path, "wb") as file:
                file.write(content)
            result = run("plan", self.path)
            self.assertEqual(result.returncode, 2, content[:20])
            self.assertIn("job.toml:", result.stderr)

    def test_the_job_files_of_the_documentation_are_right(self):
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        with open(os.path.join(root, "docs", "job-file.md")) as page:
            texts = [text for text in re.findall(r"(?s)```toml\n(.*?)```", page.read()) if "[job]" in text]
        self.assertEqual(len(texts), 2)
        with open(os.path.join(root, "jobs", "sample-job.toml")) as sample:
            texts.append(sample.read())
        # Any secret will do, and the extracts are not there: beyond the job file itself, that is all that is wrong.
        for text in texts:
            self.write(text)
            result = run("plan", self.path)
            self.assertNotIn("job.toml:", result.stderr)
            self.assertNotIn("in the job file", result.stderr)
            self.assertEqual(result.returncode, 2)
            self.assertIn("no such file", result.stderr)


if __name__ == "__main__":
    LIGATURE, MPIEXEC = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1])
