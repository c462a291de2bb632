"""Row-wise operations against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import rask.dataframe as dd


def check(make, frame: pd.DataFrame, **kwargs) -> None:
    """The same function of a lazy frame and of pandas' gives the same."""
    lazy = make(dd.from_pandas(frame, npartitions=3))
    expected, result = make(frame), lazy.compute()
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(result, expected, **kwargs)
    else:
        pd.testing.assert_series_equal(result, expected, **kwargs)


OPERATIONS = {
    "add": lambda f: f.value + f.key,
    "reflected": lambda f: 10 - f.small,
    "narrow": lambda f: f.small * f.small,
    "narrow literal": lambda f: f.small + 1,
    "single": lambda f: f.single * 2.5,
    "true division": lambda f: f.key / f.small,
    "floor division": lambda f: f.key // 3,
    "floor division by zero": lambda f: f.key // f.small,
    "modulo negative": lambda f: f.small % 3,
    "modulo by zero": lambda f: f.key % f.small,
    "power": lambda f: f.key**2,
    "float power": lambda f: f.value**2,
    "negative": lambda f: -f.value,
    "absolute": lambda f: abs(f.small),
    "round": lambda f: f.value.round(1),
    "clip": lambda f: f.value.clip(-0.5, 0.5),
    "compare": lambda f: f.value > 0,
    "not equal": lambda f: f.value != f.value,
    "text equal": lambda f: f.name_ == "ada",
    "text not equal": lambda f: f.name_ != "ada",
    "text add": lambda f: f.name_ + "!",
    "category equal": lambda f: f.kind == "Bob",
    "nullable": lambda f: f["count"] + 1,
    "nullable compare": lambda f: f["count"] > 2,
    "logic": lambda f: (f.value > 0) & ~f.flag | (f.key == 1),
    "isna": lambda f: f.name_.isna(),
    "notna": lambda f: f.when.notna(),
    "fillna": lambda f: f.value.fillna(0),
    "fillna text": lambda f: f.name_.fillna("nobody"),
    "isin": lambda f: f.name_.isin(["ada", "cyd"]),
    "isin numbers": lambda f: f.key.isin([1, 5]),
    "between": lambda f: f.value.between(-0.5, 0.5),
    "where": lambda f: f.value.where(f.key > 3, -1.0),
    "where missing": lambda f: f.key.where(f.key > 3),
    "mask": lambda f: f.value.mask(f.key > 3, 0.0),
    "to float": lambda f: f.key.astype("float64"),
    "to text": lambda f: f.key.astype("str"),
    "to bool": lambda f: f.key.astype("bool"),
    "to int8": lambda f: f.key.astype("int8"),
    "to nullable": lambda f: f.key.astype("Int64"),
    "sqrt": lambda f: np.sqrt(abs(f.value)),
    "time difference": lambda f: f.when - pd.Timestamp("2013-06-01"),
    "time compare": lambda f: f.when > pd.Timestamp("2014-06-01"),
    "map": lambda f: f.name_.map({"ada": 1.5, "Bob": 2.5}),
    "python map": lambda f: f.key.map(lambda v: v * 2),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation(name, people):
    frame = people.rename(columns={"name": "name_"})
    check(OPERATIONS[name], frame)


TEXT = {
    "lower": lambda s: s.str.lower(),
    "upper": lambda s: s.str.upper(),
    "title": lambda s: s.str.title(),
    "capitalize": lambda s: s.str.capitalize(),
    "len": lambda s: s.str.len(),
    "strip": lambda s: s.str.strip("a"),
    "contains": lambda s: s.str.contains("a"),
    "contains pattern": lambda s: s.str.contains("^a.*e$"),
    "contains any case": lambda s: s.str.contains("b", case=False),
    "startswith": lambda s: s.str.startswith("a"),
    "endswith": lambda s: s.str.endswith("e"),
    "replace": lambda s: s.str.replace("a", "oo"),
    "replace pattern": lambda s: s.str.replace("([aeiou])", r"<\1>", regex=True),
    "slice": lambda s: s.str[1:4],
    "slice backwards": lambda s: s.str[::-1],
    "get": lambda s: s.str.get(1),
    "zfill": lambda s: s.str.zfill(6),
    "find": lambda s: s.str.find("n"),
    "count": lambda s: s.str.count("n"),
    "isalpha": lambda s: s.str.isalpha(),
    "islower": lambda s: s.str.islower(),
}


@pytest.mark.parametrize("name", TEXT)
def test_text(name, people):
    check(lambda f: TEXT[name](f["name"]), people, check_dtype=False)


TIMES = (
    "year", "month", "day", "hour", "minute", "second", "dayofweek", "dayofyear", "quarter",
    "days_in_month", "is_month_start", "is_quarter_end", "is_leap_year",
)  # fmt: skip


@pytest.mark.parametrize("name", TIMES)
def test_time(name, people):
    check(lambda f: getattr(f.when.dt, name), people, check_dtype=False)


def test_time_rounding(people):
    for name in ("floor", "ceil", "round"):
        check(lambda f, name=name: getattr(f.when.dt, name)("6h"), people)
    check(lambda f: f.when.dt.day_name(), people, check_dtype=False)
    check(lambda f: f.when.dt.strftime("%Y/%m/%d"), people, check_dtype=False)


def test_frames(people):
    check(lambda f: f[["value", "key"]], people)
    check(lambda f: f[f.value > 0], people)
    check(lambda f: f[f.value > 0][["key"]], people)
    check(lambda f: f.assign(twice=f.value * 2, key=0), people)
    check(lambda f: f.rename(columns={"key": "k"}), people)
    check(lambda f: f.drop(columns=["key", "name"]), people)
    check(lambda f: f.dropna(subset=["value", "name"]), people)
    check(lambda f: f[["key", "value"]] * 2, people)
    check(lambda f: f[["key", "value"]].fillna(1.0), people)


def test_setting_a_column(people):
    lazy = dd.from_pandas(people, npartitions=2)
    lazy["sum"] = lazy.key + lazy.small
    assert list(lazy.columns)[-1] == "sum"
    pd.testing.assert_series_equal(lazy["sum"].compute(), (people.key + people.small).rename("sum"))


def test_refusals_before_any_work(people):
    lazy = dd.from_pandas(people, npartitions=2)
    with pytest.raises(TypeError):
        _ = lazy.name + lazy.key
    with pytest.raises(TypeError):
        lazy.key.str.lower()
    with pytest.raises((AttributeError, TypeError)):
        _ = lazy.key.dt.year
    with pytest.raises(KeyError, match="value"):
        _ = lazy["vlue"]
    with pytest.raises(ValueError, match="ambiguous"):
        bool(lazy.flag)
