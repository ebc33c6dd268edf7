"""Make the evidence packet that stands in docs/evidence from a folder of attempts: packet, cohort report, exports.

    scripts/make_evidence.py DIR BATTERY --out docs/evidence [--standard FILE] [--learner PSEUDONYM] [--jobs N]

The attempts may be those of scripted operators; the documents then say so in their table of attempts. Whoever runs this
with the same files gets the same documents but for the time at which they were made and, without --root, the signature.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path, help="folder with attempts and sitting logs")
    arguments.add_argument("battery", type=Path, help="the assignment file")
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--standard", type=Path)
    arguments.add_argument("--root", type=Path, help="a signed root")
    arguments.add_argument("--learner", default="", help="a packet of this learner beside that of everybody")
    arguments.add_argument("--jobs", default="0")
    given = arguments.parse_args()
    folder, out = str(given.folder), given.out
    standard = ["--standard", str(given.standard)] if given.standard else []
    packet = [*standard, "--jobs", given.jobs, *(["--root", str(given.root)] if given.root else [])]
    out.mkdir(parents=True, exist_ok=True)
    for kind in ("html", "pdf"):
        scottie("battery", "report", str(given.battery), folder, "--out", str(out / f"packet.{kind}"), *packet)
        scottie("cohort", folder, "--out", str(out / f"cohort.{kind}"), *standard)
        if given.learner:
            who = ["--learner", given.learner]
            scottie("battery", "report", str(given.battery), folder, "--out", str(out / f"packet-learner.{kind}"), *who, *packet)
            scottie("report", folder, *who, "--out", str(out / f"learner.{kind}"), *standard)
    scottie("export", folder, "--csv", str(out / "attempts.csv"), "--xapi", str(out / "statements.jsonl"))
    return 0


def scottie(*words: str) -> None:
    """Run main.py with these words; end with its line and code if it fails."""
    done = subprocess.run([sys.executable, str(ROOT / "main.py"), *words], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


if __name__ == "__main__":
    sys.exit(main())
