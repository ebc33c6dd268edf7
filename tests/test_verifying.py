"""Verification of many files: the pool, finding, bad input, the command line, a cluster. Toy records: no patient is baked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from commands import verifying
from scoring.record import Verdict
from scoring.trust.pool import TRIES, WINDOW, Pool, Task, _Waiting, clean_environment
from scoring.trust.trustlist import TrustList
from sim.errors import UsageError
from tests import toy_attempt as toy

ROOT = Path(__file__).parents[1]
ECHO = """
import json, os, sys, time
config = json.loads(sys.stdin.readline())
for line in sys.stdin:
    ask = json.loads(line)
    if ask["do"] == "die" or ask["do"] == "die once" and not os.path.exists(ask["mark"]):
        open(ask.get("mark", os.devnull), "w").close()
        sys.stderr.write("out of memory\\n")
        os._exit(9)
    if ask["do"] == "hang":
        time.sleep(60)
    print(json.dumps({"said": ask["do"], "pid": os.getpid(), **config, "env": sorted(os.environ)}), flush=True)
"""


def pool(jobs=2, **more):
    return Pool([sys.executable, "-I", "-c", ECHO], {"tone": "kind"}, jobs, **more)


def ask(name, do="answer", key="", **more):
    return Task(name, key, {"do": do, **more})


def test_every_question_gets_one_answer():
    with pool() as children:
        answers = dict((task.name, answer) for task, answer in children.run(ask(str(i)) for i in range(40)))
    assert len(answers) == 40 and all(one["tone"] == "kind" for one in answers.values())
    assert len({one["pid"] for one in answers.values()}) <= 2


def test_a_child_that_dies_loses_no_answer(tmp_path):
    tasks = [ask(str(i), "die once" if i % 5 == 0 else "answer", mark=str(tmp_path / str(i))) for i in range(20)]
    with pool() as children:
        answers = {task.name: answer for task, answer in children.run(tasks)}
    assert len(answers) == 20 and not any("failed" in answer for answer in answers.values())


def test_a_question_that_always_kills_is_answered_with_the_reason():
    with pool() as children:
        answers = {task.name: answer for task, answer in children.run([ask("good"), ask("bad", "die"), ask("other")])}
    assert answers["bad"] == {"failed": f"the process that verified it died {TRIES} times: out of memory"}
    assert "said" in answers["good"] and "said" in answers["other"]


def test_a_killed_child_is_replaced():
    with pool() as children:
        answers = []
        for task, answer in children.run(ask(str(i)) for i in range(30)):
            answers.append(task.name)
            if len(answers) == 5:
                os.kill(answer["pid"], signal.SIGKILL)
    assert sorted(answers) == sorted(map(str, range(30)))


def test_a_question_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr("scoring.trust.pool.TRIES", 1)
    with pool(jobs=1, seconds=0.1) as children:
        ((_, answer),) = children.run([ask("slow", "hang")])
    assert "died 1 times" in answer["failed"]


def test_questions_of_one_key_go_to_one_child_and_the_list_is_never_held_whole():
    seen = 0

    def many():
        nonlocal seen
        for i in range(3 * WINDOW):
            seen += 1
            yield ask(str(i), key=f"patient {i % 4}")

    waiting = _Waiting(many())
    waiting.fill()
    assert seen == WINDOW
    first = waiting.take("", set())
    assert waiting.take(first.key, set()).key == first.key
    assert waiting.take("nothing", {"patient 0"}).key != "patient 0"
    count = 3
    while (task := waiting.take(first.key, set())) is not None:
        count += 1
        assert waiting.count <= WINDOW and task.name
    assert count == 3 * WINDOW


def test_children_see_a_clean_environment(monkeypatch):
    for name in ("PYTHONPATH", "PYTHONSTARTUP", "NUMBA_DISABLE_JIT", "LD_PRELOAD", "SCOTTIE_ANYTHING"):
        monkeypatch.setenv(name, "x")
    assert not {"PYTHONPATH", "PYTHONSTARTUP", "NUMBA_DISABLE_JIT", "LD_PRELOAD", "SCOTTIE_ANYTHING"} & clean_environment().keys()
    monkeypatch.delenv("LD_PRELOAD")
    with pool(jobs=1) as children:
        ((_, answer),) = children.run([ask("it")])
    assert not [name for name in answer["env"] if name.startswith(("PYTHON", "SCOTTIE_A"))]


# --- the real worker


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder as a hostile or careless person would hand in."""
    base = tmp_path_factory.mktemp("archive")
    good = toy.sealed(base / "a").read_bytes()
    (base / "--json.scottie").write_bytes(good)
    (base / "-rf; rm $(x).scottie").write_bytes(good[:-900])
    (base / "changed.scottie").write_bytes(good.replace(b"expert", b"Expert"))
    (base / "empty.scottie").write_bytes(b"")
    (base / "bomb.scottie").write_bytes(b"[" * 10**6)
    (base / "wide.scottie").write_bytes(b'{"header":{"format":"scottie-attempt","x":' + b"[" * 10**5 + b"\n")
    (base / "large.scottie").write_bytes(bytes(17 * 2**20))
    with zipfile.ZipFile(base / "bomb.zip.scottie", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("attempt.scottie", bytes(50 * 2**20))
    (base / "a" / "notes.txt").write_text("not looked at")
    (base / "a" / "loop").symlink_to(base)
    (base / "dangling.scottie").symlink_to(base / "nowhere")
    (base / "a" / "folder.scottie").mkdir()
    os.mkfifo(base / "pipe.scottie")
    return base


WANTED = {
    "--json.scottie": "different-engine",  # a toy record: its scenario is not installed
    "attempt.scottie": "different-engine",
    "-rf; rm $(x).scottie": "interrupted",
    "changed.scottie": "altered",
    "empty.scottie": "unreadable",
    "bomb.scottie": "unreadable",
    "wide.scottie": "unreadable",
    "large.scottie": "unreadable",
    "bomb.zip.scottie": "unreadable",
    "dangling.scottie": "unreadable",
    "pipe.scottie": "unreadable",
}


def test_every_file_of_a_hostile_folder_gets_its_verdict(folder):
    found = list(verifying.find([folder]))
    verdicts = {Path(v.path).name: v for v in verifying.verdicts(found, 2)}
    assert {name: v.status for name, v in verdicts.items()} == WANTED
    assert "a ZIP archive: unpack it first" in verdicts["bomb.zip.scottie"].reason
    assert all(v.reason and "\n" not in v.reason and v.transcript is None for v in verdicts.values())
    assert "source" not in verdicts["attempt.scottie"].header and verdicts["attempt.scottie"].root


def test_whom_to_believe_reaches_the_worker(folder):
    nobody = TrustList(keys={})
    (verdict,) = verifying.verdicts([folder / "a" / "attempt.scottie"], 1, nobody)
    assert verdict.status == "untrusted"


def test_a_worker_killed_from_outside_loses_no_verdict(folder):
    paths = [folder / "a" / "attempt.scottie"] * 30
    config = {"trust": None}
    tasks = [Task(f"{i}", "", {"path": str(path)}) for i, path in enumerate(paths)]
    with Pool(verifying.worker_command(), config, 2) as children:
        answers = {}
        for task, answer in children.run(iter(tasks)):
            answers[task.name] = answer["status"]
            if len(answers) in (3, 9):
                os.kill(children.pids[0], signal.SIGKILL)
    assert len(answers) == 30 and set(answers.values()) == {"different-engine"}


def test_two_files_whose_names_look_alike_on_a_terminal_are_not_mixed_up(tmp_path, folder):
    good = (folder / "a" / "attempt.scottie").read_bytes()
    (tmp_path / "a\x01").write_bytes(good)
    (tmp_path / "a\x02").write_bytes(b"")
    found = dict(verifying.checked([tmp_path / "a\x01", tmp_path / "a\x02"], 1))
    assert {name: v.status for name, v in found.items()} == {
        str(tmp_path / "a\x01"): "different-engine",
        str(tmp_path / "a\x02"): "unreadable",
    }


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="a folder that cannot be read")
def test_a_folder_that_cannot_be_read_is_a_verdict(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    (verdict,) = verifying.find([tmp_path])
    assert isinstance(verdict, Verdict) and verdict.status == "unreadable" and "Permission denied" in verdict.reason


def test_ten_thousand_files_are_found_and_asked_about_at_once(tmp_path):
    for i in range(10_000):
        (tmp_path / f"{i}.scottie").touch()
    tasks = [verifying.task_of(path) for path in verifying.find([tmp_path])]
    assert len(tasks) == 10_000 and {task.key for task in tasks} == {""}


def test_the_key_of_a_question_is_the_patient(folder):
    assert verifying.task_of(folder / "a" / "attempt.scottie").key == "b'toy/l4-right' b'7'"


def test_jobs():
    assert verifying.check_jobs(0) == verifying.processors() and verifying.check_jobs(3) == 3
    for wrong in (-1, 1025):
        with pytest.raises(UsageError, match="expected 1 to 1024"):
            verifying.check_jobs(wrong)


# --- the command line


def scottie(*arguments, **environment):
    env = dict(os.environ) | environment
    done = subprocess.run([sys.executable, ROOT / "main.py", *arguments], capture_output=True, text=True, env=env, check=False)
    assert "Traceback" not in done.stderr
    return done


def test_a_folder_with_json_is_one_object_per_line(folder, tmp_path):
    done = scottie("verify", folder, "--json", "--jobs", "2", XDG_CONFIG_HOME=str(tmp_path))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and {Path(row["file"]).name: row["status"] for row in rows} == WANTED


def test_files_alone_are_one_list_in_their_order(folder, tmp_path):
    names = ["changed.scottie", "empty.scottie", "a/attempt.scottie"]
    done = scottie("verify", "--json", *(folder / name for name in names), XDG_CONFIG_HOME=str(tmp_path))
    assert [Path(row["file"]).name for row in json.loads(done.stdout)] == [Path(name).name for name in names]
    named = scottie("verify", "--", "--json.scottie", XDG_CONFIG_HOME=str(tmp_path))
    assert named.returncode == 1 and named.stdout.startswith("--json.scottie: unreadable: cannot be read")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("verify", "{empty}"), "no attempt in it"),
        (("verify", "x", "--jobs", "-2"), "--jobs -2: expected"),
        (("verify", "x", "--trusted", "nowhere"), "nowhere: cannot be read"),
        (("verify", "x", "--scheduler", "tcp://127.0.0.1:9"), "--scheduler tcp://127.0.0.1:9"),
        (("key", "show"), "there is no signing key; make one with: main.py key make"),
        (("key", "revoke", "0" * 32, "--reason", "x", "--out", "y"), "there is no signing key"),
        (("learner", "erase", "nobody"), "unknown learner 'nobody'"),
        (("battery", "show", "nowhere"), "nowhere: cannot be read"),
        (("battery", "make", "--out", "b", "--id", "b", "--scenario", "tfesi-l4l5-right", "--seed", "1"), "a battery of 1 items"),
        (("run", "--battery", "nowhere"), "--battery needs --learner"),
        (("run", "x", "--battery", "nowhere"), "a scenario together with --battery"),
        (("run",), "no scenario; expected one"),
        (("run", "tfesi-l4l5-right", "--learner", "A Name"), "expected a pseudonym"),
        (("run", "tfesi-l4l5-right", "--handedness", "both"), "expected left or right"),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path, arguments, said):
    done = scottie(
        *(a.replace("{empty}", str(tmp_path)) for a in arguments), XDG_CONFIG_HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path)
    )
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_keys_and_learners_on_the_command_line(tmp_path):
    home = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert "made key" in scottie("key", "make", "--name", "room 1", **home).stdout
    assert scottie("key", "export", "--out", tmp_path / "card.json", **home).returncode == 0
    first = json.loads(scottie("key", "show", "--json", **home).stdout)
    assert "takes the place of" in scottie("key", "rotate", **home).stdout
    second = json.loads(scottie("key", "show", "--json", **home).stdout)
    assert second["replaces"] == first["fingerprint"]
    assert scottie("key", "trust", tmp_path / "card.json", **home).stdout == f"{first['fingerprint']}: trusted\n"
    done = scottie("key", "revoke", first["fingerprint"], "--reason", "lost", "--out", tmp_path / "r.json", **home)
    assert "is revoked since" in done.stdout
    rows = {
        row["fingerprint"]: row for row in json.loads(scottie("key", "list", "--json", **home).stdout) if row["kind"] != "retired"
    }
    assert rows[first["fingerprint"]]["revoked"] and not rows[second["fingerprint"]]["revoked"]
    who = scottie("learner", "add", "4711", "--name", "Anna", **home).stdout.strip()
    assert who in scottie("learner", "list", **home).stdout
    assert (
        "is erased" in scottie("learner", "erase", "4711", **home).stdout and who not in scottie("learner", "list", **home).stdout
    )


# --- a cluster


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_gives_the_same_verdicts_and_a_killed_worker_loses_none(folder):
    distributed = pytest.importorskip("distributed")
    paths = [path for path in verifying.find([folder]) for _ in range(4)]
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client:
            pids = list(client.run(os.getpid).values())
        verdicts = []
        for verdict in verifying.verdicts(paths, 1, None, cluster.scheduler_address):
            verdicts.append((Path(verdict.path).name, verdict.status))
            if len(verdicts) == 10:
                os.kill(pids[0], signal.SIGKILL)
    assert sorted(verdicts) == sorted(list(WANTED.items()) * 4)
