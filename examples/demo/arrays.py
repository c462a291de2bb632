"""Job 2: arrays. A stack of photographs larger than the memory given: smooth, normalise, measure."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

import rask
import rask.array as da
from examples.demo import data


def smooth(block: np.ndarray) -> np.ndarray:
    """The mean of each 3 x 3 neighbourhood of every image, as float32."""
    padded = block.astype("float32")
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    total = np.zeros_like(padded)
    total[:, 1:-1, 1:-1] = (rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) / 9
    return total


def run(directory: Path) -> np.ndarray:
    """Mean and standard deviation of each image, smoothed and normalised; shape (images, 2)."""
    photographs = da.from_zarr(str(data.DIRECTORY / "photographs.zarr"))
    smoothed = photographs.map_overlap(
        smooth, depth={0: 0, 1: 1, 2: 1}, boundary="reflect", dtype="float32"
    )
    normalised = smoothed / 255.0

    target = directory / "normalised.zarr"
    shutil.rmtree(target, ignore_errors=True)
    normalised.to_zarr(str(target))
    written = da.from_zarr(str(target))
    mean, deviation = rask.compute(written.mean(axis=(1, 2)), written.std(axis=(1, 2)))
    return np.stack([mean, deviation], axis=1)


def reference() -> np.ndarray:
    """The same by NumPy, on each distinct photograph once."""
    photographs = data.load_photographs()
    padded = np.pad(photographs, ((0, 0), (1, 1), (1, 1)), mode="symmetric")
    normalised = smooth(padded)[:, 1:-1, 1:-1].astype("float64") / 255.0
    once = np.stack([normalised.mean(axis=(1, 2)), normalised.std(axis=(1, 2))], axis=1)
    return np.tile(once, (data.stack_length() // len(once), 1))


def check(answer: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(answer, expected, rtol=1e-5)


def describe(answer: np.ndarray) -> str:
    brightest = int(answer[:, 0].argmax()) % len(data.PHOTOGRAPHS)
    return (
        f"{len(answer):,} images of {data.IMAGE_SIDE} x {data.IMAGE_SIDE}; the brightest photograph: "
        f"{data.PHOTOGRAPHS[brightest]}, mean {answer[:, 0].max():.3f}"
    )
