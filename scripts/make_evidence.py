"""Make the evidence packet that stands in docs/evidence from a folder of attempts: packet, cohort report, exports.

    scripts/make_evidence.py DIR BATTERY --out docs/evidence [--standard FILE] [--learner PSEUDONYM] [--pictures 6] [--jobs N]

Every record is verified by replay, once; then all documents are written from what was found: the packet of everybody
(without pictures) and the cohort report, with --learner also the packet of this learner (with at most --pictures pictures)
and the learner's report, the table of all attempts and the learner's xAPI statements. The attempts may be those of
scripted operators; the documents then say so on their first page. Whoever runs this with the same files gets the same
documents but for the time at which they were made and, without --root, the signature.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from commands.battery import status_of
from commands.common import progress_bar, say, utc_now, write_file
from commands.evidence import KINDS, Pictures, document_bytes, facts_of, read_evidence
from commands.report import packet
from scoring.battery import battery_root
from scoring.exchange.table import csv_text
from scoring.exchange.xapi import HOME, json_lines
from scoring.keys import load_or_create
from scoring.reports.cohort import cohort_document
from scoring.reports.learner import learner_document
from scoring.standard import load_standard
from scoring.trust.documents import read_document
from scoring.trust.roots import parse_root

if TYPE_CHECKING:
    from scoring.reports.blocks import Document


def main() -> int:
    """Verify, write, say what was odd; 1 where a record was refused."""
    given = arguments()
    documents: dict[str, Document] = {}
    with progress_bar() as progress:
        evidence = read_evidence([given.folder], True, given.jobs, None, progress)
        status = status_of(given.battery, given.folder, given.jobs, None, given.root, evidence.rows)
        signed = read_document(given.root) if given.root else battery_root(status, utc_now(), load_or_create())
        root = parse_root(signed, "the root")
        facts = facts_of(evidence, load_standard(given.standard), utc_now())
        documents["cohort"] = cohort_document(facts)
        documents["packet"] = packet(status, evidence, "", given.standard, root, None)
        if given.learner:
            pictures = Pictures(progress, size=384)
            documents["learner"] = learner_document(facts, given.learner)
            documents["packet-learner"] = packet(status, evidence, given.learner, given.standard, root, pictures, given.pictures)
    for name, document in documents.items():
        for kind in KINDS if name != "packet" or given.whole else (".html",):
            write_file(given.out / f"{name}{kind}", document_bytes(document, kind))
    write_file(given.out / "attempts.csv", csv_text(evidence.rows))
    told = [row for row in evidence.rows if row.learner == given.learner] if given.learner else evidence.rows
    write_file(given.out / "statements.jsonl", json_lines(told, HOME))
    write_file(given.out / "root.json", signed)
    write_file(given.out / "status.json", json.dumps(counted(status), indent=2) + "\n")
    say(json.dumps(counted(status)))
    return 1 if status.refused else 0


def counted(status: Any) -> dict[str, Any]:
    """Return how many items stand in which state, and what was odd."""
    states: dict[str, int] = {}
    for who in status.learners:
        for item in who.items:
            states[item.state] = states.get(item.state, 0) + 1
    notes = [f"{who.learner}: {note}" for who in status.learners for note in who.notes]
    return {"learners": len(status.learners), "items": states, "refused": status.refused, "notes": [*notes, *status.notes]}


def arguments() -> argparse.Namespace:
    """Return the arguments; paths of records are written into the documents as they are found below DIR."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with attempts and sitting logs")
    parser.add_argument("battery", type=Path, help="the assignment file")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--standard", type=Path)
    parser.add_argument("--root", type=Path, help="a signed root")
    parser.add_argument("--learner", default="", help="a packet of this learner beside that of everybody")
    parser.add_argument("--pictures", type=int, default=6, help="pictures in the learner's packet, at most")
    parser.add_argument("--whole", action="store_true", help="the packet of everybody also as PDF (10 MB for 720 attempts)")
    parser.add_argument("--jobs", type=int, default=0)
    given = parser.parse_args()
    for name in ("battery", "out", "standard", "root"):
        if getattr(given, name) is not None:
            setattr(given, name, getattr(given, name).resolve())
    given.out.mkdir(parents=True, exist_ok=True)
    os.chdir(given.folder)
    given.folder = Path()
    return given


if __name__ == "__main__":
    sys.exit(main())
