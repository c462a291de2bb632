"""Statistical tests of SciPy's interface on lazy arrays; results are lazy.

Formulas are those of ``scipy.stats``; p-values are computed from the reduced statistics by SciPy's
distributions.
"""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

from rask.array.core import Array
from rask.array.creation import asanyarray
from rask.array.elementwise import elemwise
from rask.array.ufunc import choose_where, sqrt

__all__ = [
    "chisquare",
    "f_oneway",
    "kurtosis",
    "kurtosistest",
    "moment",
    "normaltest",
    "power_divergence",
    "skew",
    "skewtest",
    "ttest_1samp",
    "ttest_ind",
    "ttest_rel",
]

Ttest_indResult = namedtuple("Ttest_indResult", ("statistic", "pvalue"))
Ttest_1sampResult = namedtuple("Ttest_1sampResult", ("statistic", "pvalue"))
Ttest_relResult = namedtuple("Ttest_relResult", ("statistic", "pvalue"))
Power_divergenceResult = namedtuple("Power_divergenceResult", ("statistic", "pvalue"))
NormaltestResult = namedtuple("NormaltestResult", ("statistic", "pvalue"))
SkewtestResult = namedtuple("SkewtestResult", ("statistic", "pvalue"))
KurtosistestResult = namedtuple("KurtosistestResult", ("statistic", "pvalue"))
F_onewayResult = namedtuple("F_onewayResult", ("statistic", "pvalue"))


def _check_policy(nan_policy: str) -> None:
    if nan_policy != "propagate":
        raise NotImplementedError("`nan_policy` other than 'propagate' have not been implemented.")


def _pvalue(name: str, function: Callable, *args: Any) -> Array:
    return elemwise(function, *args, name=name, dtype=np.float64)


def _two_sided_t(statistic: Any, df: Any) -> Any:
    from scipy.stats import t

    return 2 * t.sf(np.abs(statistic), df)


def _two_sided_normal(z: Any) -> Any:
    from scipy.stats import norm

    return 2 * norm.sf(np.abs(z))


def _chi2_tail(statistic: Any, df: Any) -> Any:
    from scipy.stats import chi2

    return chi2.sf(statistic, df)


def _f_tail(statistic: Any, dfn: Any, dfd: Any) -> Any:
    from scipy.stats import f

    return f.sf(statistic, dfn, dfd)


def ttest_ind(a: Any, b: Any, axis: int = 0, equal_var: bool = True) -> Any:
    """T-test for the means of two independent samples."""
    x, y = asanyarray(a), asanyarray(b)
    n, m = x.shape[axis], y.shape[axis]
    v, w = x.var(axis=axis, ddof=1), y.var(axis=axis, ddof=1)
    df: Any
    if equal_var:
        df = n + m - 2.0
        denominator = sqrt(((n - 1) * v + (m - 1) * w) / df * (1.0 / n + 1.0 / m))
    else:
        s, t = v / n, w / m
        df = (s + t) ** 2 / (s**2 / (n - 1) + t**2 / (m - 1))
        denominator = sqrt(s + t)
    statistic = (x.mean(axis=axis) - y.mean(axis=axis)) / denominator
    return Ttest_indResult(statistic, _pvalue("ttest_ind", _two_sided_t, statistic, df))


def ttest_1samp(a: Any, popmean: Any, axis: int = 0, nan_policy: str = "propagate") -> Any:
    """T-test for the mean of one sample."""
    _check_policy(nan_policy)
    x = asanyarray(a)
    n = x.shape[axis]
    statistic = (x.mean(axis=axis) - popmean) / sqrt(x.var(axis=axis, ddof=1) / float(n))
    return Ttest_1sampResult(statistic, _pvalue("ttest_1samp", _two_sided_t, statistic, n - 1))


def ttest_rel(a: Any, b: Any, axis: int = 0, nan_policy: str = "propagate") -> Any:
    """T-test for the means of two related samples."""
    _check_policy(nan_policy)
    return Ttest_relResult(*ttest_1samp(asanyarray(a) - asanyarray(b), 0, axis))


_POWERS = {
    "pearson": 1, "log-likelihood": 0, "freeman-tukey": -0.5, "mod-log-likelihood": -1,
    "neyman": -2, "cressie-read": 2 / 3,
}  # fmt: skip


def power_divergence(
    f_obs: Any, f_exp: Any = None, ddof: int = 0, axis: int = 0, lambda_: Any = None
) -> Any:
    """Cressie and Read's power divergence; see ``scipy.stats.power_divergence``."""
    if isinstance(lambda_, str):
        if lambda_ not in _POWERS:
            raise ValueError(f"invalid string for lambda_: {lambda_!r}. Valid: {sorted(_POWERS)}")
        lambda_ = _POWERS[lambda_]
    power = 1 if lambda_ is None else lambda_
    observed = asanyarray(f_obs)
    expected = observed.mean(axis=axis, keepdims=True) if f_exp is None else asanyarray(f_exp)
    if power == 1:
        terms = (observed - expected) ** 2 / expected
    elif power == 0:
        terms = 2.0 * _x_log_y(observed, observed / expected)
    elif power == -1:
        terms = 2.0 * _x_log_y(expected, expected / observed)
    else:
        terms = observed * ((observed / expected) ** power - 1) / (0.5 * power * (power + 1))
    statistic = terms.sum(axis=axis)
    count = observed.shape[axis]
    return Power_divergenceResult(
        statistic, _pvalue("chi2", _chi2_tail, statistic, count - 1 - ddof)
    )


def _x_log_y(x: Array, y: Array) -> Array:
    return elemwise(_x_log_y_block, x, y, name="xlogy", dtype=np.float64)


def _x_log_y_block(x: Any, y: Any) -> Any:
    from scipy.special import xlogy

    return xlogy(x, y)


def chisquare(f_obs: Any, f_exp: Any = None, ddof: int = 0, axis: int = 0) -> Any:
    """Chi-square test of frequencies."""
    return power_divergence(f_obs, f_exp=f_exp, ddof=ddof, axis=axis, lambda_="pearson")


def moment(a: Any, moment: int = 1, axis: int = 0, nan_policy: str = "propagate") -> Array:
    """Central moment of an order along an axis."""
    _check_policy(nan_policy)
    return asanyarray(a).moment(moment, axis=axis)


def skew(a: Any, axis: int = 0, bias: bool = True, nan_policy: str = "propagate") -> Array:
    """Skewness along an axis."""
    _check_policy(nan_policy)
    x = asanyarray(a)
    n = x.shape[axis]
    second, third = x.moment(2, axis=axis), x.moment(3, axis=axis)
    zero = second == 0
    values = choose_where(zero, 0.0, third / choose_where(zero, 1.0, second) ** 1.5)
    if not bias and n > 2:
        corrected = math.sqrt((n - 1.0) * n) / (n - 2.0) * values
        values = choose_where(zero, values, corrected)
    return values


def kurtosis(
    a: Any, axis: int = 0, fisher: bool = True, bias: bool = True, nan_policy: str = "propagate"
) -> Array:
    """Kurtosis along an axis; Fisher's is 0 for a normal distribution."""
    _check_policy(nan_policy)
    x = asanyarray(a)
    n = x.shape[axis]
    second, fourth = x.moment(2, axis=axis), x.moment(4, axis=axis)
    zero = second == 0
    values = choose_where(zero, 0.0, fourth / choose_where(zero, 1.0, second) ** 2)
    if not bias and n > 3:
        corrected = (1.0 / (n - 2) / (n - 3)) * ((n**2 - 1.0) * values - 3 * (n - 1) ** 2.0) + 3.0
        values = choose_where(zero, values, corrected)
    return values - 3 if fisher else values


def skewtest(a: Any, axis: int = 0, nan_policy: str = "propagate") -> Any:
    """Test whether the skewness is that of a normal distribution."""
    from rask.array.ufunc import log

    _check_policy(nan_policy)
    x = asanyarray(a)
    n = float(x.shape[axis])
    if n < 8:
        raise ValueError(
            f"skewtest is not valid with less than 8 samples; {int(n)} samples were given."
        )
    y = skew(x, axis) * math.sqrt(((n + 1) * (n + 3)) / (6.0 * (n - 2)))
    beta2 = 3.0 * (n**2 + 27 * n - 70) * (n + 1) * (n + 3)
    beta2 /= (n - 2.0) * (n + 5) * (n + 7) * (n + 9)
    w2 = -1 + math.sqrt(2 * (beta2 - 1))
    delta = 1 / math.sqrt(0.5 * math.log(w2))
    alpha = math.sqrt(2.0 / (w2 - 1))
    y = choose_where(y == 0, 1.0, y)
    z = delta * log(y / alpha + sqrt((y / alpha) ** 2 + 1))
    return SkewtestResult(z, _pvalue("skewtest", _two_sided_normal, z))


def kurtosistest(a: Any, axis: int = 0, nan_policy: str = "propagate") -> Any:
    """Test whether the kurtosis is that of a normal distribution."""
    _check_policy(nan_policy)
    x = asanyarray(a)
    n = float(x.shape[axis])
    expected = 3.0 * (n - 1) / (n + 1)
    variance = 24.0 * n * (n - 2) * (n - 3) / ((n + 1) * (n + 1.0) * (n + 3) * (n + 5))
    distance = (kurtosis(x, axis, fisher=False) - expected) / math.sqrt(variance)
    sqrt_beta1 = 6.0 * (n * n - 5 * n + 2) / ((n + 7) * (n + 9))
    sqrt_beta1 *= math.sqrt((6.0 * (n + 3) * (n + 5)) / (n * (n - 2) * (n - 3)))
    shape = 6.0 + 8.0 / sqrt_beta1 * (2.0 / sqrt_beta1 + math.sqrt(1 + 4.0 / sqrt_beta1**2))
    term = 1 - 2 / (9.0 * shape)
    denominator = 1 + distance * math.sqrt(2 / (shape - 4.0))
    ratio = (1 - 2.0 / shape) / abs(denominator)
    root = elemwise(_signed_cube_root, denominator, ratio, name="cbrt", dtype=np.float64)
    z = (term - root) / math.sqrt(2 / (9.0 * shape))
    return KurtosistestResult(z, _pvalue("kurtosistest", _two_sided_normal, z))


def _signed_cube_root(sign_of: Any, value: Any) -> Any:
    return np.sign(sign_of) * np.power(value, 1 / 3.0)


def normaltest(a: Any, axis: int = 0, nan_policy: str = "propagate") -> Any:
    """Test whether a sample is of a normal distribution, by skewness and kurtosis."""
    _check_policy(nan_policy)
    s, _ = skewtest(a, axis)
    k, _ = kurtosistest(a, axis)
    statistic = s * s + k * k
    return NormaltestResult(statistic, _pvalue("normaltest", _chi2_tail, statistic, 2))


def f_oneway(*args: Any) -> Any:
    """Analysis of variance of one factor: whether groups have the same mean."""
    from rask.array.joining import concatenate

    groups = [asanyarray(group) for group in args]
    whole = concatenate(groups)
    count, kinds = len(whole), len(groups)
    centered = whole - whole.mean()
    offset = whole.mean()
    total = (centered**2).sum()
    between = sum(((g - offset).sum() ** 2) / float(len(g)) for g in groups)
    within = total - between
    statistic = (between / float(kinds - 1)) / (within / float(count - kinds))
    return F_onewayResult(statistic, _pvalue("f", _f_tail, statistic, kinds - 1, count - kinds))
