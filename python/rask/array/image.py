"""Stacks of images."""

from __future__ import annotations

import os
from collections.abc import Callable
from glob import glob
from typing import Any

import numpy as np

from rask.array.blocks import map_blocks
from rask.array.core import Array

__all__ = ["add_leading_dimension", "imread"]


def add_leading_dimension(x: Any) -> Any:
    """A block with a new first axis of length one."""
    return x[None, ...]


class _ReadImage:
    def __init__(self, names: list[str], imread: Callable, preprocess: Callable | None) -> None:
        self.names, self.imread, self.preprocess = names, imread, preprocess

    def __call__(self, block_id: tuple[int, ...] = ()) -> np.ndarray:
        image = self.imread(self.names[block_id[0]])
        if self.preprocess is not None:
            image = self.preprocess(image)
        return add_leading_dimension(image)


def _default_reader() -> Callable:
    try:
        from skimage.io import imread
    except ImportError as error:
        raise ImportError(
            "imread needs scikit-image, or imread= a function of a file name"
        ) from error
    return imread


def imread(
    filename: str, imread: Callable | None = None, preprocess: Callable | None = None
) -> Array:
    """A stack of images, one block a file, in the order of their names.

    Parameters
    ----------
    filename : str
        Pattern of file names: ``"photos/*.png"``.
    imread : callable, optional
        Reads one file; scikit-image's otherwise.
    preprocess : callable, optional
        Applied to each image.

    Raises
    ------
    ValueError
        When no file has such a name.
    """
    reader = imread or _default_reader()
    names = sorted(glob(os.fspath(filename)))
    if not names:
        raise ValueError(f"No files found under name {filename}")
    sample = reader(names[0])
    if preprocess is not None:
        sample = preprocess(sample)
    chunks = ((1,) * len(names), *((length,) for length in sample.shape))
    return map_blocks(
        _ReadImage(names, reader, preprocess), chunks=chunks, dtype=sample.dtype, token="imread"
    )
