"""Tools as values read from data: needles, agents, tissues as a needle meets them, the C-arm and its beam."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.errors import DataError
from sim.scatter import Scatter

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Quantity:
    """A number from a data file with its unit, source and status.

    status: verified, recalled, computed, measured or placeholder. Only verified ones may gate an assessment.
    """

    value: float
    unit: str
    source: str
    status: str


@dataclass(frozen=True)
class Needle:
    """One needle of the tray. alpha_mrad is the fitted cutting angle of the tip (reference: docs/PHYSICS.md).

    bend_mrad over bend_length_mm: the tip is bent towards where it cuts. stylet_diameter_mm: 0 without a stylet. bores: a
    needle for bone, which mallet and drill can drive.
    """

    name: str
    gauge: int
    length_mm: float
    outer_diameter_mm: float
    inner_diameter_mm: float
    tip: str  # "quincke", "whitacre", ...
    alpha_mrad: float
    bend_mrad: float
    young_gpa: float
    bend_length_mm: float = 10.0
    stylet_diameter_mm: float = 0.0
    bores: bool = False


@dataclass(frozen=True)
class Introducer:
    """A short, wide needle through which a thinner one goes: it stiffens the thin one over its length under the skin."""

    name: str
    gauge: int
    length_mm: float  # that goes under the skin
    outer_diameter_mm: float
    inner_diameter_mm: float
    young_gpa: float


@dataclass(frozen=True)
class Agent:
    """Something that can be injected. iodine_mg_per_ml is 0 for everything that no X-ray shows."""

    name: str
    kind: str  # "contrast", "local_anaesthetic", "steroid", "saline"
    particulate: bool
    iodine_mg_per_ml: float
    dose_mg_per_ml: float


@dataclass(frozen=True)
class Anaesthetic:
    """A local anaesthetic: largest single dose, onset and duration of a peripheral block, strength against lidocaine."""

    name: str  # an agent is this drug when its name begins so
    max_mg_per_kg: float
    max_mg: float
    onset_low_min: float
    onset_high_min: float
    lasts_low_min: float
    lasts_high_min: float
    potency: float


@dataclass(frozen=True)
class Cement:
    """A bone cement. curve_* is its apparent viscosity at 1/s against its age at 25 degrees C (empty: not known).

    flow_index 1 is Newtonian, 0.5 shear-thinning (no other: the core takes square roots, no powers). The last point
    of the curve is the end of cure. iodine_mg_per_ul: iodine that attenuates as one microlitre of it does beyond water.
    """

    name: str
    viscosity: str  # "low", "medium", "high"
    batch_ul: float
    flow_index: float
    density_g_per_ml: float
    iodine_mg_per_ul: float
    curve_s: F64
    curve_pa_s: F64
    window_s: tuple[float, float] | None = None  # working window after mixing at room temperature; None: none known


@dataclass(frozen=True)
class Lead:
    """One lead or catheter of the tray. EI in N mm2 (1 N m2 = 1e6 N mm2).

    stylet_ei_n_mm2 is 0 for a catheter without a stylet. bend_deg over bend_length_mm is the bend that the stylet
    (or, without one, the catheter itself) carries at its tip; contacts are counted from the tip.
    """

    name: str
    kind: str  # "lead", "epidural_catheter", "intrathecal_catheter"
    outer_diameter_mm: float
    length_mm: float
    ei_n_mm2: float
    stylet_ei_n_mm2: float
    stylet_diameter_mm: float
    bend_deg: float
    bend_length_mm: float
    kink_radius_mm: float
    contacts: int
    contact_length_mm: float
    contact_pitch_mm: float
    first_contact_mm: float  # from the tip to the beginning of the first contact
    steel_equivalent: float  # body: mm of steel per mm of the whole cross-section
    contact_steel_equivalent: float


@dataclass(frozen=True)
class Electrode:
    """A radiofrequency electrode in a cannula of one gauge whose last `active_tip_mm` is bare."""

    name: str
    gauge: int
    active_tip_mm: float


@dataclass(frozen=True)
class TissueRow:
    """How one tissue meets a needle and an injectate (see sim.phantom.Tissue for the label)."""

    label: int
    foundation_n_per_m2: float  # lateral Winkler stiffness per length
    cut_n: float
    friction_n_per_mm: float
    puncture_n: float  # on entry; 0 = no membrane
    membrane_n_per_mm: float
    conductance: float  # relative ease of spread (0 = injectate does not enter)
    capacity: float  # share of the volume that injectate can fill


@dataclass(frozen=True)
class CArm:
    """Geometry, speeds and exposure rules of the C-arm (a generic machine, no named product)."""

    sdd_mm: float  # DistanceSourceToDetector
    sod_mm: float  # DistanceSourceToPatient: source to isocentre
    detector_mm: tuple[float, ...]  # side of the square detector field per magnification mode
    angle_speed_mdeg_s: int
    slide_speed_um_s: int
    reference_point_mm: float  # from the source, for air kerma
    curve_thickness_mm: F64  # water-equivalent thickness
    curve_kvp: F64
    curve_mas: F64  # per pulse, full field, magnification mode 0
    kerma_ugy_per_mas_1m: F64  # at curve_beam_kvp, at 1 m
    curve_beam_kvp: F64
    water_equivalent: F64 = field(default_factory=lambda: np.ones(32))  # per tissue label: mm of water per mm
    cap_mgy_min: float = 88.0  # limit of the air kerma rate 30 cm from the receptor
    dsa_dose_factor: float = 16.0  # mAs of a subtraction pulse over that of a fluoroscopy pulse
    dsa_pulses_per_10s: int = 30
    breath_mm: float = 0.0  # how far quiet breathing moves diaphragm and bowel (pictures only)
    flinch_mm: float = 0.0  # how far great pain moves the whole body, and for how long (pictures only)
    flinch_ms: int = 1500
    spine_breath_mm: float = 0.0  # how far it lifts the prone back, spine and needle with it (pictures only)
    spine_n_per_mm: float = 15.0  # stiffness of the spine under a needle that presses on bone (pictures only)
    boost_factor: float = 2.0  # mAs and kerma limit of high-level fluoroscopy over those of the ordinary one
    detector_rim_mm: float = 30.0  # housing beyond the field, each side
    detector_depth_mm: float = 150.0
    tube_housing_mm: float = 260.0
    table_width_mm: float = 530.0
    table_thickness_mm: float = 60.0
    table_length_mm: float = 2000.0
    scatter: Scatter | None = None  # behind the grid, for the exposure control (None: scatter does not change with the field)
    shot_pulses: int = 8  # a single shot is the mean of this many fluoroscopy pulses (last-image hold)


@dataclass(frozen=True)
class Toolbox:
    """All tools of a study, in the order that command arguments index."""

    needles: tuple[Needle, ...]
    agents: tuple[Agent, ...]
    tissues: tuple[TissueRow, ...]  # indexed by label: tissues[label].label == label
    carm: CArm
    constants: dict[str, float]  # named scalars of the engines, e.g. "needle.hand_stiffness_n_per_mm"
    cements: tuple[Cement, ...] = ()
    leads: tuple[Lead, ...] = ()
    electrodes: tuple[Electrode, ...] = ()
    introducers: tuple[Introducer, ...] = ()
    anaesthetics: tuple[Anaesthetic, ...] = ()
    dermatomes: tuple[tuple[str, str], ...] = ()  # (level, where it is felt), from the head down

    def constant(self, name: str) -> float:
        """Return a named constant; DataError says which one is missing."""
        try:
            return self.constants[name]
        except KeyError:
            raise DataError(f"tools: constant '{name}' is missing") from None

    def index(self, what: str, name: str) -> int:
        """Return the index of a row by name ("needles", "agents" or "leads"); DataError if missing."""
        rows: tuple[Any, ...] = getattr(self, what)
        for i, row in enumerate(rows):
            if row.name == name:
                return i
        raise DataError(f"tools: no row '{name}' in {what}; there are: {', '.join(r.name for r in rows)}")
