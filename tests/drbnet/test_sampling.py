import numpy as np
import pytest

from drbnet.sampling import Draws, PatchSampler, generator


def taken(*, pairs=10, epoch=0, step=0, **options) -> list[tuple[int, int]]:
    sampler = PatchSampler(pairs, **{"batch": 2, "seed": 5, **options})
    sampler.go_to(epoch, step)
    return list(sampler)


def test_an_epoch_takes_each_pair_once_in_an_order_of_its_own():
    orders = [[index for _, index in taken(epoch=epoch, seed=seed)] for epoch in (0, 1) for seed in (5, 6)]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert [index for _, index in taken()] == orders[0]
    assert {epoch for epoch, _ in taken(epoch=1)} == {1}


def test_the_last_step_is_filled_up_with_other_patches_of_the_first_pairs():
    order = [index for _, index in taken(pairs=10, batch=4)]
    assert order[10:] == [10 + order[0], 10 + order[1]]
    few = [index for _, index in taken(pairs=3, batch=8)]
    assert [index % 3 for index in few] == (few[:3] * 3)[:8]
    assert len(set(few)) == 8


@pytest.mark.parametrize("pairs", [16, 11])
def test_ranks_share_the_steps_of_one_process(pairs):
    one = np.reshape([index for _, index in taken(pairs=pairs, batch=4)], (-1, 4))
    two = [
        np.reshape([index for _, index in taken(pairs=pairs, rank=rank, world=2)], (-1, 2)) for rank in (0, 1)
    ]
    assert np.array_equal(np.hstack(two), one)


@pytest.mark.parametrize("step", [0, 1, 4, 5])
def test_starts_anywhere_in_an_epoch(step):
    for rank in (0, 1):
        whole = taken(pairs=19, epoch=3, rank=rank, world=2)
        assert taken(pairs=19, epoch=3, step=step, rank=rank, world=2) == whole[2 * step :]


def test_lengths():
    sampler = PatchSampler(11261, batch=8)
    assert sampler.steps * 200 == 281_600  # stage 1 of the paper, as published
    assert len(sampler) == sampler.steps * 8
    sampler.go_to(7, 1400)
    assert len(sampler) == len(list(sampler)) == 8 * 8
    assert PatchSampler(5, batch=4, repeats=4).steps == 5
    assert sorted(index % 5 for _, index in taken(pairs=5, batch=4, repeats=4)) == sorted(list(range(5)) * 4)


@pytest.mark.parametrize(
    "options",
    [{"pairs": 0}, {"batch": 0}, {"world": 0}, {"rank": 2, "world": 2}, {"rank": -1}, {"repeats": 0}],
)
def test_impossible_numbers(options):
    with pytest.raises(ValueError, match="must be at least 1 and rank below world"):
        taken(**options)


@pytest.mark.parametrize("place", [(-1, 0), (0, 6), (0, -1)])
def test_places_outside_an_epoch(place):
    with pytest.raises(ValueError, match="an epoch has the steps 0 to 5"):
        PatchSampler(10, batch=2).go_to(*place)


def test_random_numbers_are_those_of_purpose_and_counters():
    places = [(Draws.ORDER, 0, 0), (Draws.ORDER, 0, 1), (Draws.SUBSTITUTE, 0, 0, 0)]
    places += [
        (Draws.PATCH, *counters) for counters in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (2**40, 0, 0))
    ]
    first = {place: generator(*place).integers(2**63) for place in places}
    assert len(set(first.values())) == len(places)
    assert all(generator(*place).integers(2**63) == number for place, number in first.items())
