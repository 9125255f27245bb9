"""The cheapest safe pattern: against every pattern there is, and under a time limit."""

from __future__ import annotations

import itertools
from dataclasses import replace

import highspy
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from deid_platform.core.errors import MaskingError
from deid_platform.core.masking import SMALL, MaskingRules, attack, mask, published
from deid_platform.core.masking.attack import goals, prior
from deid_platform.core.masking.complementary import (
    Bounds,
    Protector,
    breaking_rule_six,
    protect,
)
from deid_platform.core.masking.integral import WholeChanges
from deid_platform.core.masking.model import primary
from deid_platform.core.masking.optimum import Optimiser
from tests.core.masking.tables import cube

RULES = MaskingRules()
COUNT = st.one_of(st.just(0), st.integers(1, 10), st.integers(11, 40))


@st.composite
def squares(draw, most=40):
    shape = draw(st.sampled_from([(4,), (2, 2), (2, 3), (3, 3)]))
    size = int(np.prod(shape))
    counts = draw(st.lists(COUNT.filter(lambda n: n <= most), min_size=size, max_size=size))
    return cube(np.array(counts).reshape(shape))


def solved(table):
    """The search alone, without rule M-6."""
    small = primary(table, RULES)
    protector = Protector(table, RULES, Bounds.unlabelled(table))
    needs = {cell: protector.needs(cell) for cell in np.flatnonzero(small).tolist()}
    return small, protector, Optimiser(table, small, protector.losses, needs, lambda: False)


def withstands(table, hidden, small):
    return attack(published(table, np.where(hidden, SMALL, 0)), RULES, small=small).holds


@settings(deadline=None, max_examples=20)
@given(squares())
def test_no_pattern_at_all_that_withstands_the_attack_is_cheaper(table):
    small, protector, optimiser = solved(table)
    candidates = np.flatnonzero((table.people > 0) & ~small)
    assume(small.any() and len(candidates) <= 8)
    found = optimiser.solve()
    losses = []
    for chosen in itertools.product([False, True], repeat=len(candidates)):
        hidden = small.copy()
        hidden[candidates[list(chosen)]] = True
        loss = int(protector.losses[hidden & ~small].sum())
        if loss <= found.bound + 1 and withstands(table, hidden, small):
            losses.append(loss)
    if not found.safe:
        assert losses == []
        return
    assert found.proven
    assert withstands(table, found.hidden, small)
    assert min(losses) == round(found.bound)
    assert int(protector.losses[found.hidden & ~small].sum()) == min(losses)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.filter_too_much])
@given(squares(most=14))
def test_whole_tables_that_agree_with_what_is_published_leave_every_protected_value(table):
    try:
        masking = mask(table, RULES)
    except MaskingError:
        assume(False)
    floor, reach = goals(published(table, masking.codes), RULES)
    found = every_table(masking)
    for cell in np.flatnonzero(masking.reasons == SMALL).tolist():
        assert set(range(int(floor[cell]), int(reach[cell]) + 1)) <= set(found[:, cell].tolist())


def every_table(masking):
    """All tables of whole people that agree with what is published, as rows; inner cells vary."""
    layout = masking.table.layout
    low, high = prior(published(masking.table, masking.codes), RULES)
    inner = (layout.coordinates < np.array(layout.shape) - 1).all(axis=1)
    free = np.flatnonzero(masking.hidden & inner)
    assume(0 < len(free) <= 4)
    ranges = [np.arange(low[c], min(high[c], masking.table.people[c] + 20) + 1) for c in free]
    values = np.stack([axis.ravel() for axis in np.meshgrid(*ranges, indexing="ij")], axis=1)
    whole = np.tile(masking.table.people, (len(values), 1))
    whole[:, free] = values
    box = whole.reshape(-1, *layout.shape).copy()
    for axis, size in enumerate(layout.shape, start=1):
        parts = np.take(box, range(size - 1), axis=axis)
        np.moveaxis(box, axis, 0)[-1] = parts.sum(axis=axis)
    found = box.reshape(len(values), -1)
    agrees = (found >= low) & (found <= high)
    return found[agrees.all(axis=1)]


@settings(deadline=None, max_examples=20)
@given(squares(), st.randoms())
def test_levels_in_another_order_lose_the_same(table, rng):
    axis = rng.randrange(len(table.layout.axes))
    order = list(range(table.layout.shape[axis] - 1))
    rng.shuffle(order)
    box = np.take(table.people.reshape(table.layout.shape), [*order, len(order)], axis=axis)
    small, protector, optimiser = solved(table)
    again, other, moved = solved(replace(table, people=box.ravel()))
    first, second = optimiser.solve(), moved.solve()
    assert first.safe == second.safe
    if first.safe:
        assert (
            protector.losses[first.hidden & ~small].sum()
            == other.losses[second.hidden & ~again].sum()
        )


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 40))
def test_when_the_time_is_over_there_is_a_safe_pattern_or_none(patience):
    rng = np.random.default_rng(5)
    table = cube(rng.poisson(rng.pareto(1.2, (9, 5, 2)) * 14))
    asked = itertools.count()
    try:
        masking = mask(table, RULES, expired=lambda: next(asked) >= patience)
    except MaskingError:
        return
    assert withstands(table, masking.hidden, masking.reasons == SMALL)
    assert masking.pattern.loss >= mask(table, RULES).pattern.loss


def test_a_safe_pattern_found_in_time_is_used_although_it_is_not_the_cheapest():
    rng = np.random.default_rng(5)
    table = cube(rng.poisson(rng.pareto(1.2, (9, 5, 2)) * 14))
    losses = set()
    for patience in range(0, 400, 20):
        asked = itertools.count()
        try:
            pattern = protect(table, RULES, lambda a=asked, p=patience: next(a) >= p)
        except MaskingError:
            continue
        losses.add(pattern.loss)
        assert not len(breaking_rule_six(table, RULES, pattern.hidden))
    cheapest = protect(table, RULES).loss
    assert max(losses) > cheapest
    assert min(losses) >= cheapest


def test_when_the_time_is_over_while_moves_are_made_the_pattern_is_still_safe(monkeypatch):
    rng = np.random.default_rng(7)
    table = cube(rng.poisson(rng.pareto(1.2, (9, 5, 2)) * 14))
    monkeypatch.setattr(Optimiser, "known", lambda *_: None)
    over = []
    solve = Optimiser.solve
    monkeypatch.setattr(Optimiser, "solve", lambda self: (solve(self), over.append(1))[0])
    monkeypatch.setattr(Optimiser, "moves", lambda *_: pytest.fail("asked after the time"))
    masking = mask(table, RULES, expired=lambda: bool(over))
    assert withstands(table, masking.hidden, masking.reasons == SMALL)
    assert masking.pattern.loss >= masking.pattern.loss_bound


def test_an_integer_program_answers_many_questions_with_one_table():
    rng = np.random.default_rng(3)
    table = cube(rng.poisson(rng.pareto(1.2, (12, 8, 3)) * 14))
    optimiser = solved(table)[2]
    usable, questions = optimiser.usable, optimiser.questions
    every = np.ones(len(usable))
    program = WholeChanges(table, usable, questions, every > 0, optimiser.changes.bounds(every))
    asked = np.flatnonzero(questions.direction == 1)
    point = program.together(asked)
    after = table.people.astype(float)
    after[usable] += point
    groups = table.layout.groups
    assert np.array_equal(groups.sums(after), after[groups.total])
    assert (after[usable] >= 1).all()
    assert (point[questions.place[asked]] >= questions.need[asked]).sum() > 1
    assert program.single(int(asked[0]))[questions.place[asked[0]]] == questions.need[asked[0]]


def test_overlapping_totals_have_no_bound_of_the_loss():
    table = cube([[4, 40, 9], [60, 70, 30], [20, 3, 50]])
    people = tuple(replace(axis, exact=False) for axis in table.layout.axes)
    overlapping = replace(table, layout=replace(table.layout, axes=people))
    assert protect(table, RULES).loss_bound is not None
    assert protect(overlapping, RULES).loss_bound is None


def test_a_solver_that_fails_refuses_the_table(monkeypatch):
    monkeypatch.setattr(
        highspy.Highs, "getModelStatus", lambda _: highspy.HighsModelStatus.kSolveError
    )
    with pytest.raises(MaskingError, match="the solver failed"):
        mask(cube([[4, 40], [60, 70]]), RULES)
