"""Tile coding of a state, and SARSA(lambda) on the table it points into, for many environments at once.

A state has V variables, each in units of its tile width; the first AGENT of them tell of the agent, the rest of the
market. K tilings code it, in turn of three groups: agent, market, full. A tile is hashed to a row of one table for all
groups, and the row holds a weight for each action, so that the values of a state are K row sums.
"""

import numpy as np

from lobarena.sim._jit import kernel

ACTIONS = 10  # known to the compiler: a row's loop is unrolled
AGENT = 3  # variables of the agent's own state, in front of the market's
GROUPS = 3

RULE = np.dtype(
    [
        (
            "step",
            "f8",
        ),  # alpha over the tilings of a group: what a weight of trace 1 moves by for a temporal-difference error of 1
        ("gamma", "f8"),  # discount a look
        ("decay", "f8"),  # gamma x lambda: what a trace keeps a look
        ("epsilon", "f8"),  # probability of a random action
        ("faintest", "f8"),  # a trace below this is forgotten
        ("share", "f8", (GROUPS,)),  # weight of each group in the value
    ],
    align=True,
)

TRACE = np.dtype(
    [
        ("weight", "i4"),  # which of the table: row x ACTIONS + action
        ("strength", "f4"),  # eligibility, (gamma lambda)^age
    ],
    align=True,
)

WALK = np.dtype(
    [
        ("action", "i8"),  # taken at the last look
        ("traces", "i8"),  # how many are in use
        ("live", "i8"),  # 1 when the last look was inside an episode: the step from it is learned from
    ],
    align=True,
)

_MASK = 0x7FFFFFFF  # hashes have 31 bits: no product of the arithmetic below leaves int64, with JIT or without


@kernel
def tile(state, offsets, rows, out):
    """Rows of a state's tiles. state: (V,) f4; offsets: (K, V) f4 in [0, 1); out: (K,) i4, written, each below `rows`.

    Each group has a third of the rows: the many tiles of the full state overwrite none of the agent's. The hash is
    arithmetic of the tile's own numbers: the same on every machine and in every process.
    """
    tilings, variables = offsets.shape
    third = rows // GROUPS
    for k in range(tilings):
        group = k % GROUPS
        first = AGENT if group == 1 else 0
        last = AGENT if group == 0 else variables
        mixed = (k + 1) * 0x3C6EF35F & _MASK
        for v in range(first, last):
            place = int(np.floor(state[v] + offsets[k, v]))
            mixed = (mixed ^ (place & 0xFFFF)) * 0x2C1B3C6D & _MASK
            mixed ^= mixed >> 15
        mixed = mixed * 0x297A2D39 & _MASK
        mixed ^= mixed >> 14
        out[k] = group * third + (mixed * third >> 31)


@kernel
def evaluate(table, rows, share, values):
    """Values of all actions. table: (R, ACTIONS) f4; rows: (K,) i4; share: (3,) f8; values: (ACTIONS,) f8, written."""
    for action in range(ACTIONS):
        values[action] = 0.0
    for k in range(rows.shape[0]):
        weight = share[k % GROUPS]
        for action in range(ACTIONS):
            values[action] += weight * float(table[rows[k], action])


@kernel
def best(values):
    """The action of highest value; the lowest-numbered one of equals."""
    found = 0
    for action in range(1, ACTIONS):
        if values[action] > values[found]:
            found = action
    return found


@kernel
def greedy(table, offsets, share, states, rows, values, actions):
    """actions: (n,) i8, written: the best for each of states, (n, V) f4. rows, values: scratch of `evaluate`."""
    for i in range(states.shape[0]):
        tile(states[i], offsets, table.shape[0], rows)
        evaluate(table, rows, share, values)
        actions[i] = best(values)


@kernel
def follow(weights, traces, walk, rows, mark, rule, move):
    """Fade one environment's traces by a look, set those of the tiles in `rows` to 1, move all weights they point to.

    Replacing traces: what a tile held for this or another action before is dropped (Singh and Sutton 1996).
    weights: (R ACTIONS,) f4; mark: (R,) u1 scratch, zero before and after; move: the rule's step x error. A row that
    two tiles share has two traces, as it counts twice in the value.
    """
    decay, faintest = rule["decay"], rule["faintest"]
    for k in range(rows.shape[0]):
        mark[rows[k]] = 1
    kept = 0
    for j in range(walk["traces"]):
        weight, strength = traces[j]["weight"], float(traces[j]["strength"]) * decay
        if strength >= faintest and mark[weight // ACTIONS] == 0:
            traces[kept]["weight"] = weight
            traces[kept]["strength"] = strength
            kept += 1
            weights[weight] = float(weights[weight]) + move * strength
    for k in range(rows.shape[0]):
        mark[rows[k]] = 0
        weight = rows[k] * ACTIONS + walk["action"]
        traces[kept]["weight"] = weight
        traces[kept]["strength"] = 1.0
        kept += 1
        weights[weight] = float(weights[weight]) + move
    walk["traces"] = kept


@kernel
def sarsa(table, offsets, walks, traces, rows, fresh, values, mark, states, rewards, over, draws, rule):
    """One look of n environments: learn from the step that led here and choose the next actions; the sum of |errors|.

    table: (R, ACTIONS) f4, shared, changed in the order of the environments. walks: (n,) WALK, traces: (n, C) TRACE,
    rows: (n, K) i4 tiles of the last look, all changed. fresh: (K,) i4, values: (ACTIONS,) f8, mark: (R,) u1
    scratch. states: (n, V) f4; rewards: (n,) f8; over: (n,) bool, the episode ended with this look; draws: (2, n) f8
    uniforms: explore or not, and where. rule: (1,) RULE.

    error = r + gamma Q(s', a') - Q(s, a), without Q(s', a') when the episode ended; weights += step error trace.
    The look after an end belongs to a new episode: nothing is learned from the step to it.
    """
    r, weights = rule[0], table.reshape(-1)
    errors = 0.0
    for i in range(states.shape[0]):
        walk = walks[i]
        tile(states[i], offsets, table.shape[0], fresh)
        evaluate(table, fresh, r["share"], values)
        explores = draws[0, i] < r["epsilon"]
        action = min(int(draws[1, i] * ACTIONS), ACTIONS - 1) if explores else best(values)
        if walk["live"] == 1:
            error = rewards[i] + (0.0 if over[i] else r["gamma"] * values[action])
            evaluate(table, rows[i], r["share"], values)
            error -= values[walk["action"]]
            follow(weights, traces[i], walk, rows[i], mark, r, r["step"] * error)
            errors += abs(error)
        if over[i]:
            walk["traces"] = 0
        walk["live"] = 0 if over[i] else 1
        walk["action"] = action
        for k in range(fresh.shape[0]):
            rows[i, k] = fresh[k]
    return errors


@kernel
def capacity(tilings, decay, faintest):
    """Traces that one environment can have at once, C: K for each look that is not yet forgotten."""
    looks, strength = 1, decay
    while strength >= faintest:
        looks += 1
        strength *= decay
    return tilings * looks
