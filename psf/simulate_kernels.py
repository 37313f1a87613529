"""Compiled loop that samples projected disks on a fine grid, for the simulator alone."""

import numba

_ROUNDS = 12
"""Fixed-point rounds that undo a distortion; each gains a digit at 10 %."""


@numba.njit(cache=True, nogil=True)
def _misses(x, y, back, axis_x, axis_y, barrel, target_x, target_y, radius_squared):
    """Squared distance on the target from the disk's centre, less the radius's square."""
    u = x - axis_x
    v = y - axis_y
    if barrel != 0.0:
        straight_u = u
        straight_v = v
        for _ in range(_ROUNDS):
            factor = 1.0 + barrel * (straight_u * straight_u + straight_v * straight_v)
            straight_u = u / factor
            straight_v = v / factor
        u = straight_u
        v = straight_v
    u += axis_x
    v += axis_y
    depth = back[2, 0] * u + back[2, 1] * v + back[2, 2]
    a = (back[0, 0] * u + back[0, 1] * v + back[0, 2]) / depth - target_x
    b = (back[1, 0] * u + back[1, 1] * v + back[1, 2]) / depth - target_y
    return a * a + b * b - radius_squared


@numba.njit(cache=True, nogil=True)
def sample_disk(fine, top, left, step, sub, back, axis_x, axis_y, barrel, target_x, target_y, radius, ring):
    """Share of `sub` x `sub` points of each fine cell that lie on the disk, into `fine` (float32).

    Cell (0, 0) begins at the picture's (top, left), cells are `step` px wide. Where the squared distance is beyond
    `ring` of the edge's, all points of a cell are on its middle's side.
    """
    height, width = fine.shape
    square = radius * radius
    for i in range(height):
        y = top + (i + 0.5) * step
        for j in range(width):
            x = left + (j + 0.5) * step
            miss = _misses(x, y, back, axis_x, axis_y, barrel, target_x, target_y, square)
            if miss > ring:
                fine[i, j] = 0.0
            elif miss < -ring:
                fine[i, j] = 1.0
            else:
                inside = 0
                for k in range(sub):
                    yk = top + (i + (k + 0.5) / sub) * step
                    for m in range(sub):
                        xm = left + (j + (m + 0.5) / sub) * step
                        if _misses(xm, yk, back, axis_x, axis_y, barrel, target_x, target_y, square) < 0.0:
                            inside += 1
                fine[i, j] = inside / (sub * sub)
