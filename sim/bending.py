"""The shaft as a beam: quasi-static Euler-Bernoulli finite elements in two planes on a Winkler foundation.

EI w'''' + (N w')' + k(s) (w - a(s)) = f_contact, clamped at the hub (w = w' = 0). Two-node Hermite elements with
consistent matrices; unknowns per node are (wx, wx', wy, wy'), lengths in mm, forces in N, so half the band is
7 wide and contact normals may couple the planes. `band[i, j]` holds K[i, i - j]; it is factorised in place as
L D L^T without pivoting: a pivot that is not positive means that the shaft buckles.

Matrices: e.g. Przemieniecki, Theory of Matrix Structural Analysis (1968), chapters 5 and 15 (recalled).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.jit import jit

F64 = NDArray[np.float64]

NODES = 33
HALF_BAND = 8  # diagonal included
GAUSS_POINTS = 4

# Gauss-Legendre points and weights on 0..1 (exact to degree 7, the squared cubic needs 6)
GAUSS_AT = (0.06943184420297371, 0.33000947820757187, 0.6699905217924281, 0.9305681557970262)
GAUSS_WEIGHT = (0.17392742256872692, 0.32607257743127307, 0.32607257743127307, 0.17392742256872692)


@jit
def hermite(xi: float, h: float) -> tuple[float, float, float, float]:
    """Return the four cubic shape functions at xi (0..1) of an element of length h: w, w' left, w, w' right."""
    x2 = xi * xi
    x3 = x2 * xi
    return 1.0 - 3.0 * x2 + 2.0 * x3, h * (xi - 2.0 * x2 + x3), 3.0 * x2 - 2.0 * x3, h * (x3 - x2)


@jit
def add_element(band: F64, e: int, h: float, ei: float, thrust: float) -> None:
    """Add bending stiffness and the geometric term of a compressive thrust of element e, in both planes."""
    b = ei / (h * h * h)
    g = thrust / (30.0 * h)
    k00 = 12.0 * b - 36.0 * g
    k10 = 6.0 * h * b - 3.0 * h * g
    k11 = 4.0 * h * h * b - 4.0 * h * h * g
    k31 = 2.0 * h * h * b + h * h * g
    for plane in range(2):
        i = 4 * e + 2 * plane
        band[i, 0] += k00
        band[i + 1, 0] += k11
        band[i + 1, 1] += k10
        band[i + 4, 0] += k00
        band[i + 4, 4] -= k00
        band[i + 4, 3] -= k10
        band[i + 5, 0] += k11
        band[i + 5, 1] -= k10
        band[i + 5, 5] += k10
        band[i + 5, 4] += k31


@jit
def add_foundation(band: F64, rhs: F64, e: int, h: float, xi: float, k: float, ax: float, ay: float) -> None:
    """Add a foundation spring k (N/mm: stiffness per length times the weight of the point) at xi of element e.

    (ax, ay) is where the foundation rests.
    """
    n0, n1, n2, n3 = hermite(xi, h)
    k0, k1, k2, k3 = k * n0, k * n1, k * n2, k * n3
    for plane in range(2):
        i = 4 * e + 2 * plane
        a = ax if plane == 0 else ay
        band[i, 0] += k0 * n0
        band[i + 1, 0] += k1 * n1
        band[i + 1, 1] += k1 * n0
        band[i + 4, 0] += k2 * n2
        band[i + 4, 4] += k2 * n0
        band[i + 4, 3] += k2 * n1
        band[i + 5, 0] += k3 * n3
        band[i + 5, 1] += k3 * n2
        band[i + 5, 5] += k3 * n0
        band[i + 5, 4] += k3 * n1
        rhs[i] += k0 * a
        rhs[i + 1] += k1 * a
        rhs[i + 4] += k2 * a
        rhs[i + 5] += k3 * a


@jit
def add_spring(band: F64, rhs: F64, node: int, nx: float, ny: float, k: float, rest: float) -> None:
    """Add a spring k (N/mm) that pulls nx wx + ny wy of a node towards `rest`: a contact, couples the planes."""
    i = 4 * node
    band[i, 0] += k * nx * nx
    band[i + 2, 2] += k * nx * ny
    band[i + 2, 0] += k * ny * ny
    rhs[i] += k * nx * rest
    rhs[i + 2] += k * ny * rest


@jit
def clamp(band: F64, rhs: F64) -> None:
    """Hold node 0: w = w' = 0 in both planes."""
    for i in range(8):
        for j in range(8):
            if i - j < 4 and j <= i:
                band[i, j] = 0.0
    for i in range(4):
        band[i, 0] = 1.0
        rhs[i] = 0.0


@jit
def factorise(band: F64) -> bool:
    """Replace the matrix by L (below the diagonal) and D (column 0); False if a pivot is not positive."""
    n = band.shape[0]
    row = np.empty(8)
    for i in range(n):
        first = max(0, i - 7)
        d = band[i, 0]
        for j in range(first, i):
            c = i - j
            v = band[i, c]
            for m in range(max(first, j - 7), j):
                v -= row[i - m] * band[j, j - m]
            row[c] = v  # L[i, j] D[j]
        for j in range(first, i):
            c = i - j
            factor = row[c] / band[j, 0]
            d -= factor * row[c]
            band[i, c] = factor
        if not d > 0.0:
            return False
        band[i, 0] = d
    return True


@jit
def substitute(band: F64, rhs: F64) -> None:
    """Solve in place with the factors from `factorise`."""
    n = band.shape[0]
    for i in range(n):
        v = rhs[i]
        for j in range(max(0, i - 7), i):
            v -= band[i, i - j] * rhs[j]
        rhs[i] = v
    for i in range(n):
        rhs[i] /= band[i, 0]
    for i in range(n - 1, -1, -1):
        v = rhs[i]
        for j in range(i + 1, min(n, i + 8)):
            v -= band[j, j - i] * rhs[j]
        rhs[i] = v


@jit
def axial_positions(w: F64, h: float, z: F64) -> None:
    """Write the coordinate of every node along the hub axis: an element that leans is shorter (sqrt(h^2 - dw^2)).

    w: (n, 4) unknowns of the nodes.
    """
    z[0] = 0.0
    for i in range(1, z.shape[0]):
        dx = w[i, 0] - w[i - 1, 0]
        dy = w[i, 2] - w[i - 1, 2]
        z[i] = z[i - 1] + np.sqrt(max(h * h - dx * dx - dy * dy, 0.01 * h * h))


def bending_stiffness(outer_mm: float, inner_mm: float, young_gpa: float) -> float:
    """Return EI of a tube in N mm2 (pi E (OD^4 - ID^4) / 64); 1 N m2 = 1e6 N mm2."""
    o2, i2 = outer_mm * outer_mm, inner_mm * inner_mm
    return 3.141592653589793 * young_gpa * 1000.0 * (o2 * o2 - i2 * i2) / 64.0
