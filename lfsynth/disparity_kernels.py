"""Compiled loops of the disparity search; `lfsynth.disparity` says what they are for. All arrays are
float32.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, fastmath=True)
def grey(view, out):
    """Root of the mean of the channels."""
    height, width, channels = view.shape
    for y in range(height):
        for x in range(width):
            total = np.float32(0)
            for c in range(channels):
                total += view[y, x, c]
            out[y, x] = np.sqrt(max(total, np.float32(0)) / np.float32(channels))


@njit(cache=True, nogil=True, fastmath=True)
def grey_half(view, out):
    """Root of the mean of the channels and of 2 x 2 pixels."""
    channels = view.shape[2]
    height, width = out.shape
    norm = np.float32(1 / (4 * channels))
    for y in range(height):
        for x in range(width):
            total = np.float32(0)
            for c in range(channels):
                total += view[2 * y, 2 * x, c] + view[2 * y, 2 * x + 1, c]
                total += view[2 * y + 1, 2 * x, c] + view[2 * y + 1, 2 * x + 1, c]
            out[y, x] = np.sqrt(max(total, np.float32(0)) * norm)


@njit(cache=True, nogil=True, fastmath=True)
def cost_volume(pictures, arms, disparities, inverse, cost):
    """Truncated absolute differences to picture 0, summed over 3 x 3 pixels, the better of opposite arms
    first.
    """
    _, height, width = pictures.shape
    centre = pictures[0]
    raw = np.empty((4, height, width), np.float32)
    summed = np.empty((4, width), np.float32)
    column = np.empty(width + 2, np.float32)
    counts = np.zeros(4, np.float32)
    for i in range(len(arms)):
        counts[arms[i, 0]] += 1
    one, zero = np.float32(1), np.float32(0)
    # An arm without views costs what the opposite one does.
    stand_in = np.array([0, 1, 2, 3])
    for arm in range(4):
        if counts[arm] == 0:
            stand_in[arm] = arm ^ 1
    for k in range(len(disparities)):
        raw[:] = 0
        for i in range(len(arms)):
            arm = arms[i, 0]
            scale = one / counts[arm]
            sy, sx = -disparities[k] * arms[i, 1], -disparities[k] * arms[i, 2]
            iy, ix = int(np.floor(sy)), int(np.floor(sx))
            fy, fx = np.float32(sy - iy), np.float32(sx - ix)
            first, last = max(0, -ix), min(width, width - ix if fx == 0 else width - 1 - ix)
            for y in range(height):
                row = raw[arm, y]
                if y + iy < 0 or y + iy >= height or (fy > 0 and y + iy + 1 >= height):
                    for x in range(width):
                        row[x] += scale
                    continue
                above, below = pictures[i + 1, y + iy], pictures[i + 1, min(y + iy + 1, height - 1)]
                here = centre[y]
                for x in range(min(first, width)):
                    row[x] += scale
                # The views lie on the centre's row or column: one of the two fractions is 0.
                if fx == 0:
                    for x in range(first, last):
                        value = (one - fy) * above[x + ix] + fy * below[x + ix]
                        row[x] += scale * min(abs(value - here[x]) * inverse, one)
                else:
                    for x in range(first, last):
                        value = (one - fx) * above[x + ix] + fx * above[x + ix + 1]
                        row[x] += scale * min(abs(value - here[x]) * inverse, one)
                # What the view does not show agrees with nothing.
                for x in range(max(last, 0), width):
                    row[x] += scale
        for y in range(height):
            up, down = max(y - 1, 0), min(y + 1, height - 1)
            for arm in range(4):
                if counts[arm] == 0:
                    continue
                a, b, c = raw[arm, up], raw[arm, y], raw[arm, down]
                for x in range(width):
                    column[x + 1] = a[x] + b[x] + c[x]
                column[0], column[width + 1] = column[1], column[width]
                for x in range(width):
                    summed[arm, x] = (column[x] + column[x + 1] + column[x + 2]) * np.float32(1 / 9)
            left, right = summed[stand_in[0]], summed[stand_in[1]]
            over, under = summed[stand_in[2]], summed[stand_in[3]]
            across, along = one, one
            if counts[0] + counts[1] == 0:
                across, along, left, right = zero, np.float32(2), over, under
            elif counts[2] + counts[3] == 0:
                across, along, over, under = np.float32(2), zero, left, right
            for x in range(width):
                better = across * min(left[x], right[x]) + along * min(over[x], under[x])
                both = across * (left[x] + right[x]) + along * (over[x] + under[x])
                cost[y, x, k] = np.float32(0.4) * better + np.float32(0.05) * both


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _pass_on(before, cost, jump, small, after, total):
    """One step along a path: the cheapest way to each hypothesis from the pixel before."""
    number = len(cost)
    least = before[0]
    for k in range(number):
        least = min(least, before[k])
    cap = least + jump
    for k in range(number):
        # `before` has been padded by one entry, too dear to be chosen, at its end; entry -1 is that one too.
        way = min(min(before[k], cap), min(before[k - 1], before[k + 1]) + small)
        value = cost[k] + way - least
        after[k] = value
        total[k] += value


@njit(cache=True, nogil=True, fastmath=True)
def semi_global(cost, guide, inverse, total):
    """Sum over four directions of the smoothed costs; a jump is cheaper across an edge of the picture."""
    height, width, number = cost.shape
    small, large = np.float32(0.04), np.float32(0.35)
    never = np.float32(1e9)
    one = np.float32(1)
    rows = np.empty((2, width, number + 1), np.float32)
    for direction in range(2):
        rows[:, :, number] = never
        for step in range(height):
            y = step if direction == 0 else height - 1 - step
            other = max(y - 1, 0) if direction == 0 else min(y + 1, height - 1)
            now, last = step % 2, (step + 1) % 2
            if step == 0:
                rows[last, :, :number] = 0
            for x in range(width):
                edge = one + np.float32(0.5) * abs(guide[y, x] - guide[other, x]) * inverse
                _pass_on(
                    rows[last, x], cost[y, x], max(large / edge, 2 * small), small, rows[now, x], total[y, x]
                )
    line = np.empty((2, number + 1), np.float32)
    for y in range(height):
        for direction in range(2):
            line[:, :number] = 0
            line[:, number] = never
            for step in range(width):
                x = step if direction == 0 else width - 1 - step
                other = max(x - 1, 0) if direction == 0 else min(x + 1, width - 1)
                now, last = step % 2, (step + 1) % 2
                edge = one + np.float32(0.5) * abs(guide[y, x] - guide[y, other]) * inverse
                _pass_on(line[last], cost[y, x], max(large / edge, 2 * small), small, line[now], total[y, x])


@njit(cache=True, nogil=True, fastmath=True)
def winner(cost, total, first, step, disparity, confidence):
    """Cheapest hypothesis, refined by the parabola through its neighbours; confidence from the unsmoothed
    costs.
    """
    height, width, number = cost.shape
    for y in range(height):
        for x in range(width):
            best = 0
            mean = np.float32(0)
            for k in range(number):
                mean += cost[y, x, k]
                if total[y, x, k] < total[y, x, best]:
                    best = k
            offset = np.float32(0)
            if 0 < best < number - 1:
                before, here, after = total[y, x, best - 1], total[y, x, best], total[y, x, best + 1]
                bend = before + after - 2 * here
                if bend > 0:
                    offset = np.float32(0.5) * (before - after) / bend
            disparity[y, x] = first + step * (best + offset)
            here = cost[y, x, best]
            gain = mean / number - here
            confidence[y, x] = min(max(gain / (here + np.float32(0.1)), np.float32(0)), np.float32(1))


@njit(cache=True, nogil=True, fastmath=True)
def upsample(disparity, confidence, grey, guide, inverse):
    """Twice the resolution: of the four pixels about, those alike in grey count."""
    height, width = guide.shape
    h, w = grey.shape
    fine = np.empty((height, width), np.float32)
    sure = np.empty((height, width), np.float32)
    one = np.float32(1)
    for y in range(height):
        at = (y - 0.5) / 2
        y0 = min(max(int(np.floor(at)), 0), h - 1)
        y1 = min(y0 + 1, h - 1)
        fy = np.float32(min(max(at - y0, 0.0), 1.0))
        for x in range(width):
            along = (x - 0.5) / 2
            x0 = min(max(int(np.floor(along)), 0), w - 1)
            x1 = min(x0 + 1, w - 1)
            fx = np.float32(min(max(along - x0, 0.0), 1.0))
            here = guide[y, x]
            total, value, trust = np.float32(0), np.float32(0), np.float32(0)
            for corner in range(4):
                j, near_y = (y0, one - fy) if corner < 2 else (y1, fy)
                k, near_x = (x0, one - fx) if corner % 2 == 0 else (x1, fx)
                unlike = (grey[j, k] - here) * inverse
                weight = (near_y * near_x + np.float32(1e-3)) / (np.float32(0.05) + unlike * unlike)
                total += weight
                value += weight * disparity[j, k]
                trust += weight * confidence[j, k]
            fine[y, x] = value / total
            sure[y, x] = min(trust / total, one)
    return fine, sure
