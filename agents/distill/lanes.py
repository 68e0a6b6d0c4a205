"""The one loop that a decision spends its time in, on the processor's vectors: out += x W, a row of LANES at a time.

numba makes vectors of long loops alone, and a student's rows are short: so written out, a decision takes half as long.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16  # float32 numbers; two registers of AVX2, one of AVX-512
_COMPILED = not config.DISABLE_JIT  # type: ignore[attr-defined]  # numba sets its settings at run time
_build: Any = cgutils  # it has no types


def _adder() -> Any:
    """A kernel function (out, x, weights, place): out (m,) f4 += x (n,) W, W (m / LANES, n, LANES) in weights at place.

    m is a multiple of LANES; nobody hands in other arrays than `packed` made.
    """
    if not _COMPILED:

        def add(out: np.ndarray, x: np.ndarray, weights: np.ndarray, place: int) -> None:
            tiles = weights[place : place + len(out) * len(x)].reshape(-1, len(x), LANES)
            out += (x @ tiles).ravel()

        return add

    @intrinsic
    def add_rows(_typing: Any, out: Any, x: Any, weights: Any, place: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            outs, xs, matrix = (
                context.make_array(kind)(context, builder, value)
                for kind, value in zip(signature.args[:3], arguments[:3], strict=True)
            )
            whole, lane = ir.IntType(64), ir.IntType(32)
            row = ir.VectorType(ir.FloatType(), LANES)
            add_product = _build.get_or_insert_function(
                builder.module, ir.FunctionType(row, [row] * 3), f"llvm.fmuladd.v{LANES}f32"
            )
            empty, first = ir.Constant(row, ir.Undefined), ir.Constant(ir.VectorType(lane, LANES), [0] * LANES)
            inputs, width = (_build.unpack_tuple(builder, one.shape)[0] for one in (xs, outs))

            def row_at(data: Any, place: Any) -> Any:
                return builder.bitcast(builder.gep(data, [place]), row.as_pointer())

            total = _build.alloca_once(builder, row)
            with _build.for_range_slice(builder, whole(0), width, whole(LANES), whole) as (begin, _):
                builder.store(builder.load(row_at(outs.data, begin), align=4), total)
                matrix_at = builder.add(arguments[3], builder.mul(begin, inputs))
                with _build.for_range(builder, inputs) as loop:
                    number = builder.load(builder.gep(xs.data, [loop.index]))
                    alone = builder.insert_element(empty, number, lane(0))
                    weight = row_at(matrix.data, builder.add(matrix_at, builder.mul(loop.index, whole(LANES))))
                    factors = builder.shuffle_vector(alone, empty, first), builder.load(weight, align=4)
                    builder.store(builder.call(add_product, [*factors, builder.load(total)]), total)
                builder.store(builder.load(total), row_at(outs.data, begin), align=4)
            return context.get_dummy_value()

        return types.void(out, x, weights, types.intp), generate

    return add_rows


add = _adder()
