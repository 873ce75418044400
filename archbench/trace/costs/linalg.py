"""Factorisations, solves and functions of matrices.

The operations of LAPACK's routines are those of LAPACK Working Note 41, "Operation counts for the LAPACK routines"
(named after the routine). Algorithms that iterate have the estimates of Golub and Van Loan, Matrix Computations, 4th
edition, tables 7.6 and 8.6 and section 8.3. All are multiplications and additions together, rounded, and FLOPs, not
MACs; those of complex matrices are 4 times as many.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from torch import Tensor

from archbench.trace.costs.common import first, product
from archbench.trace.costs.registry import Cost, cost

Flops = int | Fraction


@cost("linalg_cholesky_ex")
def _cholesky(a: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: n³/3 + n²/2 + n/6 per matrix (LAPACK Working Note 41, POTRF)."""
    n = a.shape[-1]
    return _per_matrix(a, Fraction(2 * n**3 + 3 * n**2 + n, 6))


@cost("cholesky_solve", "_cholesky_solve_helper")
def _cholesky_solve(b: Tensor, factor: Tensor, *_: Any, out: Tensor) -> Cost:
    """FLOPs: 2n² per right-hand side (LAPACK Working Note 41, POTRS)."""
    return _per_matrix(out, 2 * out.shape[-2] ** 2 * out.shape[-1])


@cost("cholesky_inverse")
def _cholesky_inverse(factor: Tensor, *_: Any, out: Tensor) -> Cost:
    """FLOPs: 2n³/3 + n²/2 + 5n/6 per matrix (LAPACK Working Note 41, POTRI)."""
    n = factor.shape[-1]
    return _per_matrix(factor, Fraction(4 * n**3 + 3 * n**2 + 5 * n, 6))


@cost("linalg_lu_factor_ex", "linalg_lu", "_linalg_det", "_linalg_slogdet")
def _lu(a: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 2n³/3 - n²/2 + 5n/6 per matrix, if not square mn² - n³/3 - n²/2 + 5n/6 (LAPACK Working Note 41, GETRF).

    m is the longer side. The product of a determinant's diagonal is neglected.
    """
    return _per_matrix(a, _getrf(a))


@cost("_linalg_solve_ex")
def _solve(a: Tensor, b: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 2n³/3 - n²/2 + 5n/6 per matrix, 2n² - n per right-hand side (LAPACK Working Note 41, GETRF and GETRS)."""
    return _per_matrix(a, _getrf(a), first(out), 2 * a.shape[-1] - 1)


@cost("linalg_lu_solve")
def _lu_solve(factor: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 2n² - n per right-hand side (LAPACK Working Note 41, GETRS)."""
    return _per_matrix(factor, 0, out, 2 * factor.shape[-1] - 1)


@cost("linalg_solve_triangular")
def _solve_triangular(a: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: n² per right-hand side (LAPACK Working Note 41, TRTRS)."""
    return _per_matrix(a, 0, out, a.shape[-1])


@cost("linalg_inv_ex")
def _inverse(a: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 2n³ - 3n²/2 + 5n/2 per matrix (LAPACK Working Note 41, GETRF and GETRI)."""
    n = a.shape[-1]
    return _per_matrix(a, Fraction(4 * n**3 - 3 * n**2 + 5 * n, 2))


@cost("geqrf")
def _householder(a: Tensor, *, out: Any) -> Cost:
    """FLOPs: 2mn² - 2n³/3 + mn + n² + 14n/3 per matrix with m >= n (LAPACK Working Note 41, GEQRF)."""
    return _per_matrix(a, _geqrf(a))


@cost("linalg_qr")
def _qr(a: Tensor, mode: str = "reduced", *, out: Any, **_: Any) -> Cost:
    """FLOPs: those of `geqrf`, and of `linalg_householder_product` for Q (LAPACK Working Note 41, GEQRF and ORGQR)."""
    m, k = a.shape[-2], min(a.shape[-2:])
    return _per_matrix(a, _geqrf(a) + (0 if mode == "r" else _orgqr(m, m if mode == "complete" else k, k)))


@cost("linalg_householder_product")
def _householder_product(a: Tensor, tau: Tensor, *, out: Tensor) -> Cost:
    """FLOPs: 4mnk - 2(m + n)k² + 4k³/3 + 3nk - mk - k² - 4k/3 for k reflectors (LAPACK Working Note 41, ORGQR)."""
    return _per_matrix(a, _orgqr(a.shape[-2], a.shape[-1], tau.shape[-1]))


@cost("linalg_lstsq")
def _least_squares(a: Tensor, b: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: those of `geqrf` per matrix, 4mn - n² per right-hand side (LAPACK Working Note 41, ORMQR and TRTRS).

    n is the shorter side; terms of lower order are neglected.
    """
    m, n = sorted(a.shape[-2:], reverse=True)
    sides = 1 if b.dim() == 1 else b.shape[-1]
    return _per_matrix(a, _geqrf(a) + (4 * m * n - n**2) * sides)


@cost("_linalg_eigh")
def _symmetric_eigenvalues(a: Tensor, uplo: str = "L", compute_v: bool = True, *, out: Any, **_: Any) -> Cost:
    """FLOPs: 4n³/3 per matrix, 9n³ with eigenvectors (Golub and Van Loan 8.3, symmetric QR algorithm)."""
    n = a.shape[-1]
    return _per_matrix(a, 9 * n**3 if compute_v else Fraction(4 * n**3, 3))


@cost("linalg_eig")
def _eigenvectors(a: Tensor, *, out: Any, **_: Any) -> Cost:
    """FLOPs: 25n³ per matrix (Golub and Van Loan 7.5, QR algorithm with eigenvectors)."""
    return _per_matrix(a, 25 * a.shape[-1] ** 3)


@cost("_linalg_eigvals", "linalg_eigvals")
def _eigenvalues(a: Tensor, *, out: Any, **_: Any) -> Cost:
    """FLOPs: 10n³ per matrix (Golub and Van Loan 7.5, QR algorithm)."""
    return _per_matrix(a, 10 * a.shape[-1] ** 3)


@cost("_linalg_svd")
def _svd(a: Tensor, full_matrices: bool = False, compute_uv: bool = True, *, out: Any, **_: Any) -> Cost:
    """FLOPs: 14mn² + 8n³ per matrix with m >= n, 4m²n + 8mn² + 9n³ in full, 4mn² - 4n³/3 without vectors.

    Golub and Van Loan 8.6, Golub-Reinsch algorithm.
    """
    m, n = sorted(a.shape[-2:], reverse=True)
    if not compute_uv:
        return _per_matrix(a, 4 * m * n**2 - Fraction(4 * n**3, 3))
    return _per_matrix(a, 4 * m**2 * n + 8 * m * n**2 + 9 * n**3 if full_matrices else _thin_svd(a))


@cost("linalg_pinv")
def _pseudo_inverse(a: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """MACs: m x n x min(m, n) per matrix; FLOPs: 2 per MAC and those of `_linalg_svd`."""
    macs = product(out, out.numel() * min(a.shape[-2:]))
    return macs._replace(flops=macs.flops + _per_matrix(a, _thin_svd(a)).flops)


@cost("linalg_matrix_exp")
def _matrix_exponential(a: Tensor, *, out: Tensor) -> Cost:
    """MACs: 5n³ per matrix, a Taylor polynomial of degree 18 in five products; FLOPs: 2 per MAC.

    Bader, Blanes, Casas: Computing the matrix exponential with an optimized Taylor polynomial approximation (2019). The
    squarings depend on the matrix's norm, there are none if it is small.
    """
    return product(out, 5 * out.numel() * a.shape[-1])


@cost("linalg_cross")
def _cross_product(*_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 3 per element of the result: two products and their difference."""
    return Cost(flops=3 * out.numel())


def _per_matrix(a: Tensor, flops: Flops, solved: Tensor | None = None, per_element: int = 0) -> Cost:
    """Return the FLOPs of a batch of matrices, and `per_element` for each element of right-hand sides."""
    matrices = a.shape[:-2].numel()
    total = round(matrices * flops) + (0 if solved is None else solved.numel() * per_element)
    return Cost(flops=(4 if a.is_complex() else 1) * total)


def _getrf(a: Tensor) -> Flops:
    m, n = sorted(a.shape[-2:], reverse=True)
    return Fraction(6 * m * n**2 - 2 * n**3 - 3 * n**2 + 5 * n, 6)


def _geqrf(a: Tensor) -> Flops:
    m, n = a.shape[-2:]
    if m >= n:
        return 2 * m * n**2 + m * n + n**2 + Fraction(14 * n - 2 * n**3, 3)
    return 2 * n * m**2 + 3 * m * n - m**2 + Fraction(14 * m - 2 * m**3, 3)


def _orgqr(m: int, n: int, k: int) -> Flops:
    return 4 * m * n * k - 2 * (m + n) * k**2 + 3 * n * k - m * k - k**2 + Fraction(4 * (k**3 - k), 3)


def _thin_svd(a: Tensor) -> int:
    m, n = sorted(a.shape[-2:], reverse=True)
    return 14 * m * n**2 + 8 * n**3
