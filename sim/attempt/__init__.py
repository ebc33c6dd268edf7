"""The record of an attempt: journal, reader and replay. The format is in docs/RECORD.md; seals are in scoring."""

from sim import ENGINE_VERSION
from sim.attempt.files import lock as lock_file
from sim.attempt.files import read_bounded, set_aside, sync_folder
from sim.attempt.header import header_of, software
from sim.attempt.journal import Journal, Recorder
from sim.attempt.lines import VERSION, Chain, canonical, is_hex, kind_of, parse, parse_document
from sim.attempt.replaying import Replay, difference, replay
from sim.attempt.source import differing, source_digests
from sim.attempt.transcript import (
    Altered,
    NewerFormat,
    Raw,
    Transcript,
    Unreadable,
    one_line,
    read_journal,
    read_raw,
    transcript_of,
)

__all__ = [
    "ENGINE_VERSION",
    "VERSION",
    "Altered",
    "Chain",
    "Journal",
    "NewerFormat",
    "Raw",
    "Recorder",
    "Replay",
    "Transcript",
    "Unreadable",
    "canonical",
    "difference",
    "differing",
    "header_of",
    "is_hex",
    "kind_of",
    "lock_file",
    "one_line",
    "parse",
    "parse_document",
    "read_bounded",
    "read_journal",
    "read_raw",
    "replay",
    "set_aside",
    "software",
    "source_digests",
    "sync_folder",
    "transcript_of",
]
