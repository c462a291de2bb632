"""Data for the tests of tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def people() -> pd.DataFrame:
    """A table with every native kind of column, missing values among them."""
    rng = np.random.default_rng(0)
    rows = 200
    frame = pd.DataFrame(
        {
            "key": rng.integers(0, 7, rows),
            "small": rng.integers(-5, 5, rows).astype("int8"),
            "value": rng.normal(size=rows).round(3),
            "single": rng.normal(size=rows).astype("float32"),
            "flag": rng.random(rows) < 0.5,
            "name": rng.choice(["ada", "Bob", "cyd", "a longer name", ""], rows),
            "when": pd.Timestamp("2013-01-01") + pd.to_timedelta(rng.integers(0, 10**8, rows), "s"),
        }
    )
    frame.loc[frame.index % 11 == 3, "value"] = np.nan
    frame.loc[frame.index % 13 == 5, "name"] = None
    frame.loc[frame.index % 17 == 7, "when"] = pd.NaT
    frame["count"] = frame["key"].astype("Int64").where(frame["key"] != 3)
    frame["kind"] = frame["name"].astype("category")
    return frame
