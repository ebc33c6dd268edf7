"""Events: the only output of the core and the only evidence for scoring. Frozen facts with a tick.

`TABLE` says for every kind the fields and their types; an event validates itself. Values are integers,
strings, booleans or lists of those, so that a record of events is canonical without floats. Lengths are
micrometres (`_um`), angles millidegrees, volumes microlitres, dose-area product in pGy m2 and air kerma in nGy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

_POSITION = {"x_um": int, "y_um": int, "z_um": int}
_TIP = {
    **_POSITION,  # tip in the patient frame
    "off_right_um": int,  # tip minus the nearest planned target, along the patient's right
    "off_dorsal_um": int,
    "off_cranial_um": int,
    "distance_um": int,  # distance to the planned target
    "tissue": str,  # Tissue name at the tip
    "depth_um": int,  # inserted length
    "level": str,  # nearest foramen of the tip ("L4" = foramen L4-5), "" when far from any
    "side": str,
    "in_canal_um": int,  # how far medial of the medial pedicle line (negative: lateral of it)
}
BODY: dict[str, type] = {
    "body": str,  # nearest vertebra
    "past_medial_um": int,  # how far medial of the pedicle's inner border on the tip's side (negative: lateral)
    "to_wall_um": int,  # how far dorsal of the posterior wall (negative: in front of it)
    "body_depth_permille": int,  # 0 at the posterior wall, 1000 at the anterior
    "goal": int,  # index of the nearest planned target
}
"""Fields that every event at a tip carries as well where a vertebral body is planned to be filled (sim.tip.body_facts)."""
_LEAD = {
    **_POSITION,  # tip in the patient frame
    "inserted_um": int,  # length beyond the needle's tip
    "level": str,  # vertebral body or sacral canal nearest to the tip ("" when far from any)
    "off_right_um": int,  # tip, right of the midline of the canal
    "face": str,  # "dorsal", "ventral": which half of the canal the tip lies in
    "around_mdeg": int,  # angle round the sac from the dorsal midline, positive to the left
    "roll_mdeg": int,
    "stylet_um": int,  # how far the stylet is drawn back
}
_LESIONED = {
    "name": str,
    "kind": str,
    "nerve_level": str,
    "nerve_side": str,
    "length_um": int,  # of its axis in this lesion
    "whole_um": int,  # with its whole thickness
    "small_um": int,  # of its axis, after the older, smaller figures
    "total_um": int,  # of its axis in all lesions so far
    "gap_um": int,  # from the lesion to its wall, negative inside
    "angle_mdeg": int,  # between the active tip and it
}

TABLE: dict[str, dict[str, type]] = {
    # attempt
    "began": {"scenario": str, "level": str, "side": str, "approach": str},
    "planned": {"level": str, "side": str},  # a further goal of the plan, beside the one that `began` names
    "charted": {"finding": str, "must": str, "what": str, "says": str},  # what the chart asks (sim/clinic.py), one event each
    "phase": {"phase": str},
    "clamped": {"op": str, "asked": list, "done": list},
    "refused": {"op": str, "why": str},
    "finished": {},
    # before the needle
    "chart_reviewed": {},
    "consent_taken": {},
    "timeout_called": {"level": str, "side": str, "correct": bool},
    "skin_prepped": {},
    "level_declared": {"level": str},
    # decisions beside the needle, words of sim/clinic.py
    "case_postponed": {"reason": str},
    "risk_named": {"risk": str},
    "complication_named": {"complication": str},
    "response_given": {"response": str},
    "discharge_checked": {"check": str},
    "note_written": {"complication": str},
    # X-rays: one event per pulse of a live run would be noise, so a run is one event at its end
    "exposed": {
        "mode": str,  # "shot", "live", "dsa"
        "view": str,  # "ap", "lateral", "oblique_left", "oblique_right", "other"
        "primary_mdeg": int,
        "secondary_mdeg": int,
        "pulses": int,
        "duration_ms": int,
        "kvp_x10": int,
        "mas_x1000": int,
        "dap_pgy_m2": int,
        "air_kerma_ngy": int,
        "field_permille": int,  # open part of the field area
        "magnification": int,
        "in_field": list,  # landmark names ("L4", "S1", "sacrum", ...) whose centre lies in the open field
        "needle_in_field": bool,
        "contrast_in_field": bool,
        "while_injecting": str,  # agent kind injected during the run, "" if none
        "injected_ul": int,  # volume injected during the run
        "square_mdeg": int,  # angle between the beam and the plane of the target endplate (0 = squared)
    },
    "image_stored": {},
    # needle
    "needle_chosen": {"name": str, "gauge": int},
    "needle_placed": {"yaw_mdeg": int, "pitch_mdeg": int, **_POSITION},
    "needle_stopped": {"reason": str, **_TIP},  # the hand stopped moving it: a tip position worth recording
    "needle_removed": {"passes": int},
    "tissue_entered": {"tissue": str, "from_tissue": str, **_TIP},
    "popped": {"membrane": str, "depth_um": int},
    "bone_contact": {"bone": str, "force_mn": int, **_TIP},
    "structure_entered": {"name": str, "kind": str, "level": str, "side": str, "speed_um_s": int, **_TIP},
    # any structure that answers or suffers (sim.touch.STRUCTURES): the beginning and the end of a contact
    "touched": {
        "structure": str,
        "name": str,
        "level": str,
        "side": str,
        "dermatome": str,  # nerves only
        "speed_um_s": int,  # of the tip against the tissue
        "force_mn": int,  # bone only
        "depth_um": int,
        **_POSITION,
    },
    "released": {
        "structure": str,
        "name": str,
        "level": str,
        "side": str,
        "dermatome": str,
        "deepest_um": int,  # below the wall of a tube, else beyond the place where it was met
        "ticks": int,
        "speed_um_s": int,  # when it was met
        "fastest_um_s": int,
        "force_mn": int,
    },
    "structure_left": {"name": str, "kind": str, "deepest_um": int, "ticks": int},
    "stylet": {"inserted": bool},
    "buckling": {"force_mn": int},
    "tip_bent": {"bend_mdeg": int},
    "introducer": {"name": str, "gauge": int},  # "" when it was taken away
    "bone_driven": {  # by mallet or drill, told when it rests
        "advanced_um": int,
        "in_bone_um": int,
        "remaining_um": int,  # of the needle, outside the skin
        **_TIP,
    },
    # C-arm that stops before it touches
    "carm_stopped": {"part": str, "touches": str, "primary_mdeg": int, "secondary_mdeg": int, "centre_um": list},
    # lead or catheter; lengths in steps of 100 um (the chain is solved by pymunk, DESIGN law 7)
    "lead_chosen": {"name": str, "kind": str},
    "lead_inserted": {"name": str, "space": str, **_LEAD},  # the first of it left the needle
    "lead_stopped": {"reason": str, **_LEAD},  # it lies still: "hand", "stalled", "end", "left_the_sheet"
    "lead_kinked": {"radius_um": int, "from_tip_um": int},
    "lead_looped": {"from_tip_um": int},
    "lead_left_the_sheet": {"by": str, "side": str, **_LEAD},  # by: "L4" (its foramen), "top", "bottom"
    "lead_stylet": {"withdrawn_um": int},
    "lead_removed": {"name": str},
    # syringe
    "attached": {"agent": str, "kind": str, "particulate": bool, "drawn_ul": int},
    "aspirated": {"result": str, **_TIP},  # "nothing", "blood", "csf"
    "probed": {  # thumb on a loss-of-resistance syringe
        "medium": str,  # "saline", "air"
        "result": str,  # "loss", "resistance", "bounce" (air that springs back)
        "force_mn": int,
        "pressure_pa": int,
        "gives_permille": int,  # how far a plunger that does not go gives way (air)
        "volume_ul": int,  # that ran into the tissue
        **_TIP,
    },
    "injection_started": {"agent": str, "kind": str, "particulate": bool, "rate_ul_s": int, **_TIP},
    "injection_stopped": {
        "agent": str,
        "kind": str,
        "particulate": bool,
        "volume_ul": int,
        "pattern": str,  # "epidural", "vascular", "epidural+vascular", "intrathecal", "intramuscular", "intradiscal", ...
        "epidural_ul": int,
        "foraminal_ul": int,
        "vascular_ul": int,
        "intrathecal_ul": int,
        "disc_ul": int,
        "muscle_ul": int,
        "other_ul": int,
        "live_ul": int,  # part injected while X-rays were on
        "levels": list,  # roots wetted, e.g. ["root_L4_right"]
        **_TIP,
    },
    # what a picture of it shows, after the injection_stopped it belongs to: from where the fluid of this needle position lies
    "pattern": {
        "agent": str,
        "kind": str,
        "volume_ul": int,
        "names": list,  # sim.spread_lie.NAMES with a share worth naming, the greatest first
        "permille": list,  # share of each name
        "epidural_ventral_ul": int,
        "epidural_dorsal_ul": int,
        "left_ul": int,  # of the epidural fluid
        "right_ul": int,
        "cranial_um": int,  # reach of the epidural fluid from the opening
        "caudal_um": int,
        "nerves": list,  # roots, ganglia and rami with fluid beside them
        "nerves_ul": list,
    },
    # medial branches that a drug or contrast wetted, e.g. ["medial_branch_L4_right"], after the injection_stopped it belongs to
    "branches_wetted": {"agent": str, "kind": str, "volume_ul": int, "branches": list},
    # bone cement: age since mixing, viscosity of the cement that leaves the tip
    "cement_mixed": {"product": str, "viscosity": str},
    "cement_attached": {"product": str, "age_ms": int},
    "cement_started": {"product": str, "viscosity": str, "age_ms": int, "mpa_s": int, "rate_ul_s": int, "bone": str, **_TIP},
    "cement_slowed": {"rate_ul_s": int, "pressure_kpa": int},  # the plunger is at its limit
    "cement_leaked": {
        "bone": str,
        "where": str,  # "disc", "canal", "foramen", "paravertebral", "vein", "cava"
        "by": str,  # "basivertebral", "segmental", "endplate", "defect", "track", "tail"
        "volume_ul": int,
        "live": bool,  # X-rays were on
    },
    "cement_reached": {"bone": str, "zone": str, "posterior_wall_um": int},  # "posterior_third", "posterior_quarter"
    "cement_stopped": {
        "product": str,
        "bone": str,
        "reason": str,  # "hand", "done", "stiff", "full", "needle"
        "volume_ul": int,  # of this injection, what went into the cannula included
        "live_ul": int,  # of this injection, under X-rays
        "bone_ul": int,  # in this vertebra so far, as all below
        "disc_ul": int,
        "canal_ul": int,
        "foramen_ul": int,
        "paravertebral_ul": int,
        "vein_ul": int,
        "cava_ul": int,
        "cannula_ul": int,
        "fill_permille": int,  # cement in bone over the volume of the vertebral body
        "posterior_wall_um": int,  # least distance of cement in bone to the plane of the posterior wall
        "pressure_kpa": int,  # highest of this injection
        "age_ms": int,
    },
    "cement_set": {"bone": str},
    # radiofrequency: felt and twitch are "back" (twitch: "multifidus"), "leg" or ""; sizes are those of the lesion as made
    "rf_connected": {"electrode": str, "gauge": int, "active_tip_um": int, "impedance_ohm": int},
    "rf_disconnected": {},
    "stimulated": {
        "frequency_hz": int,
        "current_ua": int,
        "voltage_mv": int,
        "felt": str,
        "twitch": str,
        "nerve_level": str,
        "nerve_side": str,
        "strength_permille": int,  # current over the threshold of that nerve
        **_TIP,
    },
    "lesion_started": {"temperature_mc": int, "time_ms": int, **_TIP},
    "structure_heated": {"name": str, "kind": str, "nerve_level": str, "nerve_side": str, "held_ms": int},  # as it grows
    "lesion_made": {
        "reason": str,  # "done", "stopped", "moved", "disconnected"
        "temperature_mc": int,
        "time_ms": int,  # at the set temperature
        "active_tip_um": int,
        "gauge": int,
        "width_um": int,
        "length_um": int,
        "small_width_um": int,  # after the older, smaller figures
        "small_length_um": int,
        "extrapolated": bool,  # outside the published settings
        "nearest_branch": str,  # medial branch, "" when none is near
        "branch_gap_um": int,  # from the electrode's axis to its wall
        "branch_mdeg": int,  # between the active tip and that nerve
        **_TIP,
    },
    "nerve_lesioned": _LESIONED,
    "sac_heated": _LESIONED,
    # drills: an error is never negative; unit "um", "mdeg", "levels" or "choice"
    "drill_asked": {"number": int, "of": int, "kind": str, "prompt": str},
    "drill_answered": {
        "number": int,
        "of": int,
        "kind": str,
        "given": str,
        "wanted": str,
        "error": int,
        "unit": str,
        "off_um": int,  # distance of the place asked for from the central ray of the picture, 0 where it does not matter
    },
    # patient
    "patient_said": {"what": str, "dermatome": str, "side": str, "area": str, "grade": int},  # area: "down to the big toe"
    "patient_moved": {"why": str, "grade": int},
    "cooperation_withdrawn": {},  # the patient asks to stop
    "adverse": {"what": str},  # "vasovagal", "pneumothorax", "cord_injury", "high_spread", "hypotension", "toxicity"
    # local anaesthetic, as the patient leaves: each nerve it lies on, then the whole
    "nerve_blocked": {
        "name": str,
        "kind": str,
        "nerve_level": str,
        "nerve_side": str,
        "sensory_permille": int,
        "motor_permille": int,
        "onset_ms": int,
        "lasts_ms": int,
    },
    "discharged": {
        "outcome": str,  # sim.block.OUTCOMES, the worst that holds
        "sensory": list,  # "L4 right"
        "motor": list,
        "highest": str,  # segment reached by drug in the sac, "" without
        "systolic_fall_mmhg": int,
        "dose_permille": int,  # of the largest single dose
        "vascular_ug": int,  # lidocaine equivalents
    },
    "vitals": {"heart_rate_bpm": int, "systolic_mmhg": int, "spo2_percent": int},
}

WHERE_USED: dict[str, dict[str, type]] = {"exposed": {"swivel_mdeg": int}}  # of the C about the vertical
"""Fields that an event has only where they say something: absent is none."""

SINCE: dict[str, frozenset[str]] = {"patient_said": frozenset({"side", "area"})}
"""Fields that came with a later engine: records of older ones lack all of a kind's, and stay readable."""


@dataclass(frozen=True)
class Event:
    """A fact at a tick. `data` holds exactly the fields of TABLE[kind], at a tip those of BODY too where a body is filled.

    Those of WHERE_USED may be there. ValueError otherwise (a bug).
    """

    tick: int
    kind: str
    data: Mapping[str, Any]

    def __post_init__(self) -> None:
        fields = TABLE.get(self.kind)
        if fields is None:
            raise ValueError(f"unknown event kind '{self.kind}'")
        if BODY.keys() <= self.data.keys() and "in_canal_um" in fields:
            fields = {**fields, **BODY}
        fields = {**fields, **{name: kind for name, kind in WHERE_USED.get(self.kind, {}).items() if name in self.data}}
        since = SINCE.get(self.kind, frozenset())
        if since and since.isdisjoint(self.data):  # of a record that an older engine made
            fields = {name: wanted for name, wanted in fields.items() if name not in since}
        if set(self.data) != set(fields):
            raise ValueError(f"event '{self.kind}' has fields {sorted(self.data)}; expected {sorted(fields)}")
        for name, wanted in fields.items():
            if type(self.data[name]) is not wanted:
                raise ValueError(f"event '{self.kind}': {name} is {self.data[name]!r}; expected {wanted.__name__}")
        object.__setattr__(self, "data", MappingProxyType(dict(self.data)))

    def __getitem__(self, name: str) -> Any:
        """Return one field."""
        return self.data[name]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle through plain dicts (mapping proxies cannot be pickled)."""
        return Event, (self.tick, self.kind, dict(self.data))


def event(tick: int, kind: str, /, **data: Any) -> Event:
    """Return Event(tick, kind, data): the short way to state a fact."""
    return Event(tick, kind, data)
