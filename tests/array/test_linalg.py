import numpy as np
import pytest
from strategies import numbers

import rask.array as da


@pytest.mark.parametrize(
    "shape, chunks",
    [
        ((60, 5), (10, 5)),
        ((61, 5), (20, 5)),
        ((8, 5), (8, 5)),
        ((40, 6), (4, 6)),
        ((5, 30), (5, 10)),
    ],
)
def test_qr(shape, chunks):
    a = numbers("float64", shape)
    q, r = da.linalg.qr(da.from_array(a, chunks=chunks))
    left, right = q.compute(), r.compute()
    np.testing.assert_allclose(left @ right, a, atol=1e-10)
    np.testing.assert_allclose(left.T @ left, np.eye(left.shape[1]), atol=1e-10)
    np.testing.assert_allclose(right, np.triu(right), atol=1e-10)
    assert q.shape == left.shape
    assert r.shape == right.shape


@pytest.mark.parametrize(
    "shape, chunks", [((60, 5), (10, 5)), ((5, 60), (5, 10)), ((7, 7), (7, 7))]
)
def test_svd(shape, chunks):
    a = numbers("float64", shape)
    u, s, v = da.linalg.svd(da.from_array(a, chunks=chunks))
    np.testing.assert_allclose(s.compute(), np.linalg.svd(a)[1], atol=1e-10)
    np.testing.assert_allclose((u * s).compute() @ v.compute(), a, atol=1e-10)


def test_compressed_svd():
    left, right = numbers("float64", (100, 4)), numbers("float64", (4, 80), 1)
    a = left @ right
    u, s, v = da.linalg.svd_compressed(
        da.from_array(a, chunks=(30, 20)), k=4, n_power_iter=1, seed=0
    )
    np.testing.assert_allclose(s.compute(), np.linalg.svd(a)[1][:4], rtol=1e-8)
    np.testing.assert_allclose((u * s).compute() @ v.compute(), a, atol=1e-8)


@pytest.mark.parametrize("order", [None, 1, 2, 3, np.inf, -np.inf, 0])
def test_vector_norms(compare, order):
    a = numbers("float64", (6, 8))
    x = da.from_array(a, chunks=(4, 3))
    for axis in (0, 1):
        compare(da.linalg.norm(x, order, axis=axis), np.linalg.norm(a, order, axis=axis))


@pytest.mark.parametrize("order", [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_matrix_norms(compare, order):
    a = numbers("float64", (6, 8))
    compare(da.linalg.norm(da.from_array(a, chunks=(4, 3)), order), np.linalg.norm(a, order))


def test_systems(compare):
    a = numbers("float64", (6, 6)) + 6 * np.eye(6)
    b = numbers("float64", (6,), 1)
    x, y = da.from_array(a, chunks=2), da.from_array(b, chunks=3)
    compare(da.linalg.solve(x, y), np.linalg.solve(a, b))
    compare(da.linalg.inv(x), np.linalg.inv(a))
    compare(da.linalg.solve_triangular(x, y, lower=True), np.linalg.solve(np.tril(a), b))
    compare(da.linalg.solve_triangular(x, y), np.linalg.solve(np.triu(a), b))
    positive = a @ a.T
    compare(
        da.linalg.cholesky(da.from_array(positive, chunks=4), lower=True),
        np.linalg.cholesky(positive),
    )
    tall = numbers("float64", (20, 3))
    solution, residuals, rank, singular = da.linalg.lstsq(
        da.from_array(tall, chunks=(6, 3)), da.from_array(np.ones(20), chunks=6)
    )
    expected = np.linalg.lstsq(tall, np.ones(20), rcond=None)
    compare(solution, expected[0])
    compare(residuals, expected[1])
    assert int(rank) == expected[2]
    compare(singular, expected[3])


def test_matrices_that_do_not_fit_are_refused():
    with pytest.raises(np.linalg.LinAlgError):
        da.linalg.inv(da.ones((2, 3)))
    with pytest.raises(NotImplementedError, match="one dimension only"):
        da.linalg.svd(da.ones((4, 4), chunks=2))


def test_fourier(compare):
    a = numbers("float64", (6, 8))
    x = da.from_array(a, chunks=(2, 3))
    for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
        compare(getattr(da.fft, name)(x), getattr(np.fft, name)(a))
        compare(getattr(da.fft, name)(x, axis=0, n=5), getattr(np.fft, name)(a, axis=0, n=5))
    for name in ("fft2", "ifft2", "rfft2", "fftn", "rfftn", "irfftn"):
        compare(getattr(da.fft, name)(x), getattr(np.fft, name)(a))
    compare(da.fft.fftshift(x), np.fft.fftshift(a))
    compare(da.fft.ifftshift(x, axes=1), np.fft.ifftshift(a, axes=1))
    compare(da.fft.fftfreq(9, 0.5, chunks=4), np.fft.fftfreq(9, 0.5))
    compare(np.fft.fft(x), np.fft.fft(a))
