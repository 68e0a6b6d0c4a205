"""A look's forecast as one kernel, float32: numbers -> students -> gate. Nothing is allocated.

What is computed say `student`, `mixture` and `hajek`; tests hold it equal to them. Everything lies in flat arrays: the
weights in the order in which `packed` puts them there and the kernel reads them, a market's memory with the students'
state first and room to compute in behind it. Shapes: K students, H width, 2 F features, S space.
"""

import math

import numpy as np

from lobarena.agents.distill.lanes import LANES, add
from lobarena.agents.distill.smooth import cosine, sigmoid
from lobarena.agents.windows.numbers import COUNT, INSTANT, NAMES
from lobarena.sim._jit import inline, kernel

VOLATILITY = NAMES.index("volatility, 60 s")  # as windows.day
STUDENTS, WIDTH, BLOCKS, FORM, FEATURES, SPACE = range(6)  # of sizes, (6,) i8
ALONE, FIXED, REGIME, EMPIRICAL = range(4)  # forms: no gate; scores of u alone (averages, learned); see `mixture`
Y, REGIMES = 3, 3  # targets, and stretches of volatility
LEVEL, GAIN, LINE = 2, 5, 8  # places of scaling
CUT = np.float32(5)  # standard deviations at which a number is cut, as student.CUT
_ONE, _ZERO, _QUARTER, _LEAST = np.float32(1), np.float32(0), np.float32(0.25), np.float32(-3e38)


@inline
def _affine(out, x, weights, place):
    """out = b + x W; the place behind b, W."""
    for j in range(out.shape[0]):
        out[j] = weights[place + j]
    return _add(out, x, weights, place + out.shape[0])


@inline
def _filled(a):
    """The array, of zeros."""
    for j in range(a.shape[0]):
        a[j] = _ZERO
    return a


@inline
def _add(out, x, weights, place):
    """out += x W; the place behind W."""
    add(out, x, weights, place)
    return place + out.shape[0] * x.shape[0]


@inline
def _sum(a):
    """The sum of numbers that are lost: one half is added to the other, on vectors and with little error."""
    count = a.shape[0]
    while count > 1:
        pairs = count // 2
        count -= pairs
        rest = a[count : count + pairs]
        for j in range(pairs):
            a[j] += rest[j]
    return a[0]


@kernel
def begin(sizes, memory):
    """Forget everything: a new row of looks begins."""
    for j in range(sizes[BLOCKS] * sizes[STUDENTS] * sizes[WIDTH]):
        memory[j] = _ZERO


@kernel
def foretell_all(numbers, place, sizes, scaling, weights, memory, told):
    """Every look of a day: (n, COUNT) f4 numbers, (n,) i8 place in its row -> told (n, 4) f8, NaN at place 0."""
    for k in range(place.shape[0]):
        if place[k] == 0:
            told[k, :] = np.nan
            continue
        if place[k] == 1:
            begin(sizes, memory)
        foretell(numbers[k], sizes, scaling, weights, memory, told[k])


@kernel
def foretell(numbers, sizes, scaling, weights, memory, told):
    """The next look of a row: (COUNT,) f4 numbers -> told, (4,) f8: forecast in units of the contract, confidence.

    scaling : f8, the cuts of the regimes, level and gain of each target, and the line, (COUNT, 3), of the contract
    memory : f4, its first B K H the students' state, brought up to this look
    """
    students, width, blocks, form = sizes[STUDENTS], sizes[WIDTH], sizes[BLOCKS], sizes[FORM]
    half, space = sizes[FEATURES], sizes[SPACE]
    units = students * width
    points, waves = -(-space // LANES) * LANES, -(-half // LANES) * LANES
    end = blocks * units
    x, end = memory[end : end + INSTANT], end + INSTANT
    gates, end = memory[end : end + units], end + units  # of a block, all students
    candidates, end = memory[end : end + units], end + units
    mixed, end = memory[end : end + units], end + units  # what its mixing layer gives
    z, end = memory[end : end + units], end + units
    own, end = memory[end : end + LANES], end + LANES  # a student's forecasts
    u, end = memory[end : end + points], end + points
    angle, end = memory[end : end + waves], end + waves
    product, end = memory[end : end + 2 * half], end + 2 * half
    total, end = memory[end : end + 2 * half], end + 2 * half  # the sum of the embeddings
    heard, end = memory[end : end + students * Y], end + students * Y
    score, end = memory[end : end + students], end + students
    phi = memory[end:]
    place = 2 * INSTANT
    priors, place = place, place + REGIMES * students * Y
    frequency, place = place, place + space * waves
    sharpness, place = weights[place], place + 1
    regime = np.int64(0)
    for cut in range(REGIMES - 1):
        if numbers[VOLATILITY] > scaling[cut]:
            regime += 1
    prior = weights[priors + regime * students * Y : priors + (regime + 1) * students * Y]
    for i in range(INSTANT):
        x[i] = min(max((numbers[i] - weights[i]) / weights[INSTANT + i], -CUT), CUT)
    for block in range(blocks):
        h = memory[block * units : (block + 1) * units]
        for k in range(students):
            first, behind = k * width, (k + 1) * width
            source = z[first:behind] if block > 0 else x
            place = _affine(gates[first:behind], source, weights, place)
            place = _affine(candidates[first:behind], source, weights, place)
        for j in range(units):
            gate = sigmoid(gates[j])
            h[j] = (_ONE - gate) * h[j] + gate * candidates[j]
        for k in range(students):
            first, behind = k * width, (k + 1) * width
            place = _affine(mixed[first:behind], z[first:behind] if block > 0 else x, weights, place)
            place = _add(mixed[first:behind], h[first:behind], weights, place)
        for j in range(units):
            z[j] = mixed[j] * sigmoid(mixed[j])
    for j in range(2 * half):
        total[j] = _ZERO
    for k in range(students):
        stage = z[k * width : (k + 1) * width]
        place = _affine(own, stage, weights, place)
        for y in range(Y):
            heard[k * Y + y] = own[y]
        score[k] = _ZERO
        if form != ALONE:
            place = _add(_filled(u), stage, weights, place)
            place = _add(u, own, weights, place)
            for i in range(space):
                score[k] += u[i] * weights[place + i]
            place += space
            _add(_filled(angle), u[:space], weights, frequency)
            features = phi[k * 2 * half : (k + 1) * 2 * half]
            cosines, sines = features[:half], features[half:]
            for j in range(half):
                turns = angle[j] - np.rint(angle[j])
                cosines[j] = cosine(turns)
                sines[j] = cosine(turns - _QUARTER)
            for j in range(2 * half):
                total[j] += features[j]
            if form == REGIME:
                others = weights[place + regime * (2 * half + 1) : place + (regime + 1) * (2 * half + 1)]
                for j in range(2 * half):
                    product[j] = features[j] * others[j]
                score[k] += _sum(product) - others[2 * half]
                place += REGIMES * (2 * half + 1)
    told[3] = _agree(students, form, half, total, product, phi, score, sharpness)
    for y in range(Y):
        forecast = _weigh(students, score, heard[y:], prior[y:])
        told[y] = scaling[LEVEL + y] + scaling[GAIN + y] * forecast
    for i in range(COUNT):
        for y in range(Y):
            told[y] += numbers[i] * scaling[LINE + i * Y + y]


@kernel
def _agree(students, form, half, total, product, phi, score, sharpness):
    """The consensus of pairs, cut to 0 .. 1; the scores of the form EMPIRICAL."""
    if form == ALONE or students == 1:
        return 1.0
    for j in range(2 * half):
        product[j] = total[j] * total[j]
    pairs = np.float64(_sum(product)) / half - students  # each twice; an embedding's length is 1
    if form == EMPIRICAL:
        for k in range(students):
            features = phi[k * 2 * half : (k + 1) * 2 * half]
            for j in range(2 * half):
                product[j] = features[j] * total[j]
            near = np.float64(_sum(product)) / half - 1
            without = (pairs - 2 * near) / ((students - 1) * (students - 2))
            score[k] = (near / (students - 1) - without) * 2 / students * sharpness
    return min(max(pairs / (students * (students - 1)), 0.0), 1.0)


@kernel
def _weigh(students, score, heard, prior):
    """One target, every third place: the students' forecasts by the softmax of score + prior."""
    top = _LEAST
    for k in range(students):
        top = max(top, score[k] + prior[k * Y])
    whole, forecast = 0.0, 0.0
    for k in range(students):
        weight = math.exp(np.float64(score[k] + prior[k * Y] - top))
        whole += weight
        forecast += weight * heard[k * Y]
    return forecast / whole
