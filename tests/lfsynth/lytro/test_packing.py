import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfsynth.lytro.packing import pack, packed_size, unpack, unpack_blocks


def test_a_group_of_four_pixels_as_documented() -> None:
    # 1023, 2, 512 and 257: high bits 255, 0, 128, 64; low bits 3, 2, 0, 1 from bit 0 up
    packed = bytes([255, 0, 128, 64, 0b01_00_10_11])
    np.testing.assert_array_equal(unpack(packed, (1, 4)), [[1023, 2, 512, 257]])


@given(data=st.binary(min_size=5, max_size=400).filter(lambda data: len(data) % 5 == 0))
def test_pixels_are_those_of_integer_arithmetic(data: bytes) -> None:
    expected = [
        (data[start + i] << 2) + (data[start + 4] // 4**i) % 4
        for start in range(0, len(data), 5)
        for i in range(4)
    ]
    pixels = unpack(data, (1, len(expected)))
    assert pixels.tolist() == [expected]
    assert pack(pixels) == data


def test_rows_follow_each_other_and_packing_is_the_inverse() -> None:
    mosaic = np.random.default_rng(0).integers(0, 1024, (22, 36), dtype=np.uint16)
    packed = pack(mosaic)
    assert len(packed) == packed_size((22, 36)) == 22 * 36 * 10 // 8
    np.testing.assert_array_equal(unpack(packed, (22, 36)), mosaic)
    np.testing.assert_array_equal(unpack(packed[: 36 // 4 * 5], (1, 36)), mosaic[:1])
    # A view that is not contiguous is packed as it is seen
    np.testing.assert_array_equal(unpack(pack(mosaic[::2, 4:]), (11, 32)), mosaic[::2, 4:])


def test_blocks_give_the_same_as_the_whole() -> None:
    packed = pack(np.random.default_rng(1).integers(0, 1024, (6, 20), dtype=np.uint16))
    blocks = [packed[:35], packed[35:40], b"", packed[40:]]
    np.testing.assert_array_equal(unpack_blocks(blocks, (6, 20)), unpack(packed, (6, 20)))


@pytest.mark.parametrize("size", [0, 20, 30, 5000])
def test_another_number_of_bytes_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"take 25 bytes, not {size}"):
        unpack(bytes(size), (5, 4))


def test_half_a_group_is_refused() -> None:
    with pytest.raises(ValueError, match="7 bytes are not made of whole groups"):
        unpack(bytes(7), (1, 4))


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (4, 6), (-4, -4)])
def test_rows_that_are_no_whole_groups_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="packed rows must be of 4, 8, 12"):
        packed_size(shape)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="values up to 1024 do not fit into 10 bits"):
        pack(np.full((1, 4), 1024, np.uint16))
    with pytest.raises(TypeError, match="must be \\(H, W\\) uint16, not int64"):
        pack(np.zeros((1, 4), np.int64))
    with pytest.raises(TypeError, match="must be \\(H, W\\) uint16"):
        pack(np.zeros((1, 4, 1), np.uint16))
