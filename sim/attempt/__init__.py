"""The record of an attempt: journal, reader and replay. The format is in docs/RECORD.md; seals are in scoring."""

from sim import ENGINE_VERSION
from sim.attempt.files import set_aside, sync_folder
from sim.attempt.header import header_of, software
from sim.attempt.journal import Journal, Recorder
from sim.attempt.lines import Chain, canonical, is_hex, kind_of
from sim.attempt.replaying import Replay, difference, replay
from sim.attempt.transcript import Altered, Raw, Transcript, Unreadable, one_line, read_journal, read_raw, transcript_of

__all__ = [
    "ENGINE_VERSION",
    "Altered",
    "Chain",
    "Journal",
    "Raw",
    "Recorder",
    "Replay",
    "Transcript",
    "Unreadable",
    "canonical",
    "difference",
    "header_of",
    "is_hex",
    "kind_of",
    "one_line",
    "read_journal",
    "read_raw",
    "replay",
    "set_aside",
    "software",
    "sync_folder",
    "transcript_of",
]
