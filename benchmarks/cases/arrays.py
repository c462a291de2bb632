"""Array graphs: many small chunks, and work that need not be done."""

from __future__ import annotations

import time

from benchmarks.cases.libraries import local_cluster, module_of


def transposed_sum(library: str, scale: float):
    """``(z + z.T).sum()`` over 40,000 chunks of 100 x 100 (at scale 1)."""
    da = module_of(library, "array")
    side = int(200 * scale**0.5) * 100
    z = da.ones((side, side), chunks=(100, 100))
    return (z + z.T).sum(), 2.0 * side * side


def case_transposed_sum_threads(library: str, scale: float) -> float:
    start = time.perf_counter()
    expression, expected = transposed_sum(library, scale)
    result = expression.compute()
    seconds = time.perf_counter() - start
    assert float(result) == expected
    return seconds


def case_transposed_sum_cluster(library: str, scale: float) -> float:
    client, cluster = local_cluster(library)
    start = time.perf_counter()
    expression, expected = transposed_sum(library, scale)
    result = expression.compute()
    seconds = time.perf_counter() - start
    assert float(result) == expected
    client.close()
    cluster.close()
    return seconds


def case_transposed_sum_random(library: str, scale: float) -> float:
    """The same over uniform random numbers: chunks that cost something to make."""
    da = module_of(library, "array")
    side = int(200 * scale**0.5) * 100
    start = time.perf_counter()
    z = da.random.default_rng(0).random((side, side), chunks=(100, 100))
    result = float((z + z.T).sum().compute())
    seconds = time.perf_counter() - start
    assert abs(result / (side * side) - 1.0) < 0.01
    return seconds


def case_strided_normals(library: str, scale: float) -> float:
    """``(x + 1)[::2, ::2].sum()`` over 20,000 x 20,000 normals in chunks of 2,000 x 2,000."""
    da = module_of(library, "array")
    side = int(10 * scale**0.5) * 2_000
    start = time.perf_counter()
    x = da.random.default_rng(0).normal(size=(side, side), chunks=(2_000, 2_000))
    result = float((x + 1)[::2, ::2].sum().compute())
    seconds = time.perf_counter() - start
    assert abs(result / (side * side / 4) - 1.0) < 0.01
    return seconds
