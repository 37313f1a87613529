"""The learning rate's course."""

import pytest

from drbnet.schedule import factor


def test_200_epochs_follow_pix2pix() -> None:
    for epoch in range(200):
        # Its authors' rule, with 100 epochs constant and 100 of decline.
        assert factor(epoch, 200) == 1.0 - max(0, epoch + 1 - 100) / float(100 + 1)
    assert factor(99, 200) == 1
    assert factor(100, 200) < 1
    assert factor(199, 200) == pytest.approx(1 / 101)


@pytest.mark.parametrize("epochs", [1, 2, 5, 100])
def test_it_never_rises_and_never_gets_to_0(epochs: int) -> None:
    factors = [factor(epoch, epochs) for epoch in range(epochs)]
    assert factors == sorted(factors, reverse=True)
    assert 0 < factors[-1] <= factors[0] <= 1
    assert factors[: max(epochs // 2, 0)] == [1] * (epochs // 2)


def test_an_epoch_beyond_the_last_is_refused() -> None:
    with pytest.raises(ValueError, match="epoch 4 is not one of 3"):
        factor(4, 3)
