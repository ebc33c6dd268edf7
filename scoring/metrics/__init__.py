"""Metrics: named folds over the events and commands of an attempt, registered by name with unit and definition."""

from __future__ import annotations

from scoring.metrics import block, body, cement, decision, drill, imaging, injection, lesion, needle, preparation, touch
from scoring.metrics.base import METRIC_SPEC, REGISTRY, TICK_MS, Measure, MetricSpec, Moment, Settings, Unit, Value, metric
from scoring.metrics.board import Board, begin, in_order, measure
from scoring.metrics.situation import Contrast, Situation

__all__ = [
    "METRIC_SPEC",
    "REGISTRY",
    "TICK_MS",
    "Board",
    "Contrast",
    "Measure",
    "MetricSpec",
    "Moment",
    "Settings",
    "Situation",
    "Unit",
    "Value",
    "begin",
    "block",
    "body",
    "cement",
    "decision",
    "drill",
    "imaging",
    "in_order",
    "injection",
    "lesion",
    "measure",
    "metric",
    "needle",
    "preparation",
    "touch",
]
