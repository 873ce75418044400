"""Factorisations and solves, against the multiplications and additions that LAPACK Working Note 41 lists."""

from __future__ import annotations

import pytest
import torch

from archbench.trace.costs.linalg import _geqrf, _getrf, _orgqr
from tests.helpers.costs import cost

THREE = (2, 3, 3)
CASES = {
    # name: (function, input shapes, MACs, FLOPs); 2 matrices of 3 x 3
    # 3 * 3 * 3 / 3 + 3 * 3 / 2 + 3 / 6 = 14
    "cholesky": (torch.linalg.cholesky, [THREE], 0, 2 * 14),
    "solve with a cholesky factor": (lambda b, a: torch.cholesky_solve(b, a), [(2, 3, 4), THREE], 0, 2 * 4 * 18),
    # 2 * 27 / 3 + 9 / 2 + 15 / 6 = 25
    "invert a cholesky factor": (torch.cholesky_inverse, [THREE], 0, 2 * 25),
    # 2 * 27 / 3 - 9 / 2 + 15 / 6 = 16
    "lu": (torch.linalg.lu_factor, [THREE], 0, 2 * 16),
    "determinant": (torch.linalg.det, [THREE], 0, 2 * 16),
    "solve": (torch.linalg.solve, [THREE, (2, 3, 4)], 0, 2 * (16 + 4 * (18 - 3))),
    "solve for a vector": (torch.linalg.solve, [(3, 3), (3,)], 0, 16 + 15),
    "solve with lu": (
        lambda a, b: torch.linalg.lu_solve(a, torch.empty(2, 3, dtype=torch.int32, device="meta"), b),
        [THREE, (2, 3, 4)], 0, 2 * 4 * 15,
    ),
    "triangular solve": (
        lambda a, b: torch.linalg.solve_triangular(a, b, upper=True), [THREE, (2, 3, 4)], 0, 2 * 4 * 9,
    ),
    # 2 * 27 - 3 * 9 / 2 + 15 / 2 = 48
    "inverse": (torch.linalg.inv, [THREE], 0, 2 * 48),
    # 2*5*9 - 2*27/3 + 5*3 + 9 + 14 = 110
    "householder form": (torch.geqrf, [(5, 3)], 0, 110),
    # ORGQR with m = 5, n = k = 3: 180 - 144 + 36 + 27 - 15 - 9 - 4 = 71
    "qr": (torch.linalg.qr, [(5, 3)], 0, 110 + 71),
    "qr without q": (lambda a: torch.linalg.qr(a, "r"), [(5, 3)], 0, 110),
    "householder product": (torch.linalg.householder_product, [(5, 3), (3,)], 0, 71),
    "eigenvalues of a symmetric matrix": (
        lambda a: torch.ops.aten._linalg_eigh(a, compute_v=False), [THREE], 0, 2 * 36,
    ),
    "eigenvectors of a symmetric matrix": (torch.linalg.eigh, [THREE], 0, 2 * 9 * 27),
    "eigenvectors": (torch.linalg.eig, [THREE], 0, 2 * 25 * 27),
    "eigenvalues": (torch.ops.aten._linalg_eigvals, [THREE], 0, 2 * 10 * 27),
    "singular values": (lambda a: torch.ops.aten._linalg_svd(a, compute_uv=False), [(5, 3)], 0, 4 * 5 * 9 - 36),
    "singular vectors": (lambda a: torch.linalg.svd(a, full_matrices=False), [(5, 3)], 0, 14 * 5 * 9 + 8 * 27),
    "all singular vectors": (torch.linalg.svd, [(3, 5)], 0, 4 * 25 * 3 + 8 * 5 * 9 + 9 * 27),
    # A solve is 4 m n - n² for each of 2 sides.
    "least squares": (lambda a, b: torch.linalg.lstsq(a, b).solution, [(5, 3), (5, 2)], 0, 110 + 2 * (60 - 9)),
    "pseudo-inverse": (
        lambda a: torch.ops.aten.linalg_pinv.atol_rtol_tensor(a), [(5, 3)], 45, 90 + 14 * 5 * 9 + 8 * 27,
    ),
    "exponential": (torch.linalg.matrix_exp, [THREE], 2 * 5 * 27, 2 * 2 * 5 * 27),
    "cross product": (torch.linalg.cross, [(4, 3), (4, 3)], 0, 36),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_call_costs_what_its_arithmetic_says(name):
    function, inputs, macs, flops = CASES[name]
    assert cost(function, *inputs) == (macs, flops)


def test_complex_matrices_cost_four_times_as_much():
    real = cost(lambda a: torch.linalg.cholesky(a), (3, 3))[1]
    found = cost(lambda a: torch.linalg.cholesky(torch.complex(a, a)), (3, 3))[1]
    assert found == 4 * real


@pytest.mark.parametrize(("m", "n"), [(1, 1), (4, 4), (7, 3), (3, 7)])
def test_totals_are_the_multiplications_and_additions_of_the_working_note(m, n):
    # Written as in the note, multiplications first, each in floating point.
    a, k = torch.empty(m, n, device="meta"), min(m, n)
    long = max(m, n)
    getrf = (long * k**2 / 2 - k**3 / 6 - k**2 / 2 + long * k / 2 + 2 * k / 3) + (
        long * k**2 / 2 - k**3 / 6 - long * k / 2 + k / 6
    )
    assert float(_getrf(a)) == pytest.approx(getrf)
    if m >= n:
        geqrf = (m * n**2 - n**3 / 3 + m * n + n**2 / 2 + 23 * n / 6) + (m * n**2 - n**3 / 3 + n**2 / 2 + 5 * n / 6)
    else:
        geqrf = (n * m**2 - m**3 / 3 + 2 * n * m - m**2 / 2 + 23 * m / 6) + (
            n * m**2 - m**3 / 3 + n * m - m**2 / 2 + 5 * m / 6
        )
    assert float(_geqrf(a)) == pytest.approx(geqrf)
    orgqr = (2 * m * n * k - (m + n) * k**2 + 2 * k**3 / 3 + 2 * n * k - k**2 - 5 * k / 3) + (
        2 * m * n * k - (m + n) * k**2 + 2 * k**3 / 3 + n * k - m * k + k / 3
    )
    assert float(_orgqr(m, n, k)) == pytest.approx(orgqr)
