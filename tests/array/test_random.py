import pickle

import numpy as np
import pytest

import rask.array as da
from rask.array import random

DISTRIBUTIONS = [
    ("random", ()), ("uniform", (-1, 2)), ("normal", (1, 2)), ("standard_normal", ()), ("exponential", (2,)),
    ("gamma", (2, 3)), ("beta", (2, 3)), ("poisson", (4,)), ("binomial", (10, 0.3)), ("geometric", (0.3,)),
    ("lognormal", ()), ("chisquare", (3,)), ("gumbel", ()), ("laplace", ()), ("logistic", ()), ("pareto", (3,)),
    ("power", (2,)), ("rayleigh", ()), ("standard_cauchy", ()), ("standard_exponential", ()), ("standard_gamma", (2,)),
    ("standard_t", (5,)), ("triangular", (0, 1, 3)), ("vonmises", (0, 1)), ("wald", (1, 2)), ("weibull", (2,)),
    ("zipf", (3,)), ("logseries", (0.5,)), ("negative_binomial", (3, 0.4)), ("hypergeometric", (5, 6, 4)),
    ("noncentral_chisquare", (3, 1)), ("noncentral_f", (3, 20, 1)), ("f", (3, 20)),
]  # fmt: skip


@pytest.mark.parametrize("name, parameters", DISTRIBUTIONS)
def test_numbers_do_not_depend_on_blocks(name, parameters):
    draws = [
        getattr(da.random.default_rng(7), name)(*parameters, size=(30, 20), chunks=chunks).compute()
        for chunks in ((30, 20), (7, 6), (1, 20))
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    np.testing.assert_array_equal(draws[0], draws[2])
    assert draws[0].shape == (30, 20)


@pytest.mark.parametrize(
    "name, parameters, mean, deviation",
    [
        ("random", (), 0.5, 12**-0.5), ("normal", (3, 2), 3, 2), ("uniform", (-1, 3), 1, 4 * 12**-0.5),
        ("exponential", (2,), 2, 2), ("poisson", (4,), 4, 2), ("gamma", (4, 1), 4, 2), ("binomial", (20, 0.5), 10, 5**0.5),
    ],
)  # fmt: skip
def test_moments(name, parameters, mean, deviation):
    x = getattr(da.random.default_rng(1), name)(*parameters, size=200_000, chunks=30_000)
    assert abs(float(x.mean()) - mean) < 5 * deviation / 200_000**0.5
    assert abs(float(x.std()) / deviation - 1) < 0.02


def test_slices_are_of_the_same_numbers():
    x = da.random.default_rng(3).normal(size=(40, 30), chunks=(9, 7))
    whole = x.compute()
    np.testing.assert_array_equal(x[5:33:3, ::-2].compute(), whole[5:33:3, ::-2])
    np.testing.assert_array_equal((x + 1)[::2, ::2].compute(), (whole + 1)[::2, ::2])


def test_each_call_has_its_own_numbers():
    generator = da.random.default_rng(3)
    first, second = generator.random(10).compute(), generator.random(10).compute()
    assert not (first == second).any()
    again = da.random.default_rng(3)
    np.testing.assert_array_equal(first, again.random(10).compute())


def test_integers_and_choice():
    generator = da.random.default_rng(5)
    x = generator.integers(3, 9, size=1000, chunks=100, dtype="i4")
    assert x.dtype == "i4"
    values = x.compute()
    assert set(values) == set(range(3, 9))
    assert generator.integers(0, 3, size=500, endpoint=True).compute().max() == 3
    picked = generator.choice([10, 20, 30], size=300, chunks=50).compute()
    assert set(picked) == {10, 20, 30}
    weighted = generator.choice(3, size=2000, p=[0.0, 0.9, 0.1], chunks=300).compute()
    assert set(weighted) == {1, 2}
    apart = generator.choice(10, size=10, replace=False).compute()
    assert sorted(apart) == list(range(10))
    with pytest.raises(ValueError, match="larger sample"):
        generator.choice(3, size=5, replace=False)
    with pytest.raises(ValueError):
        generator.integers(5, 3, size=2)


def test_array_parameters():
    scale = da.arange(1, 5, chunks=2)
    x = da.random.default_rng(0).normal(np.zeros(4), scale * 1e-9, size=(3, 4), chunks=2)
    assert abs(x.compute()).max() < 1e-6
    limits = da.random.default_rng(0).integers([0, 10], [5, 20], size=(9, 2), chunks=4).compute()
    assert limits[:, 0].max() < 5 <= 10 <= limits[:, 1].min()
    with pytest.raises(ValueError, match="broadcast"):
        da.random.default_rng(0).normal(np.zeros(3), 1, size=(4, 4))


def test_outcomes():
    x = da.random.default_rng(0).multinomial(20, [0.2, 0.3, 0.5], size=10, chunks=4)
    assert x.shape == (10, 3)
    np.testing.assert_array_equal(x.sum(axis=1).compute(), np.full(10, 20))


def test_permutation():
    x = da.random.default_rng(0).permutation(20)
    assert sorted(x.compute()) == list(range(20))


def test_random_state_and_module_functions():
    da.random.seed(4)
    first = da.random.random(5).compute()
    da.random.seed(4)
    np.testing.assert_array_equal(first, da.random.random(5).compute())
    state = da.random.RandomState(4)
    assert state.randint(0, 5, size=100).compute().max() < 5
    assert state.random_sample(3).shape == (3,)
    assert set(state.random_integers(3, size=200).compute()) == {1, 2, 3}
    with pytest.raises(AttributeError, match="nonsense"):
        getattr(random, "nonsense")  # noqa: B009


def test_generators_can_be_pickled():
    generator = da.random.default_rng(9)
    generator.random(3)
    copied = pickle.loads(pickle.dumps(generator))
    np.testing.assert_array_equal(generator.random(4).compute(), copied.random(4).compute())


@pytest.mark.parametrize("call", [
    lambda g: g.normal(0, -1, size=3), lambda g: g.exponential(-1, size=3), lambda g: g.poisson(-2, size=3),
    lambda g: g.binomial(3, 1.5, size=3),
])  # fmt: skip
def test_bad_parameters_are_refused_at_once(call):
    with pytest.raises(ValueError):
        call(da.random.default_rng(0))
