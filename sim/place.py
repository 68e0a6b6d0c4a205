"""From an address to the record that lies there: kernels that Python hands an address, not an array."""

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, from_dtype, types
from numba.core import cgutils
from numba.extending import intrinsic

from lobarena.sim.state import venue_type
from lobarena.sim.types import LARGE, SMALL, book_type

_declared: Any = cgutils.get_or_insert_function
_COMPILED = not config.DISABLE_JIT  # type: ignore[attr-defined]  # numba sets its settings at run time


def _fetcher() -> Any:
    """A kernel function that asks the processor to have the line at an address in its cache soon."""
    if not _COMPILED:
        return lambda address: None

    @intrinsic
    def fetch(_typing: Any, address: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            number, byte = ir.IntType(32), ir.IntType(8).as_pointer()
            kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
            where = builder.inttoptr(arguments[0], byte)
            asked = _declared(builder.module, kind, "llvm.prefetch.p0")
            builder.call(asked, [where, number(0), number(3), number(1)])  # to read, to be kept, data

        return types.void(types.uint64), generate

    return fetch


def at(dtype: "np.dtype[Any]") -> Any:
    """A kernel function from an address to the record of that type that lies there."""
    if not _COMPILED:
        return lambda address: np.frombuffer((ctypes.c_char * dtype.itemsize).from_address(int(address)), dtype)[0]  # type: ignore[call-overload]
    record = from_dtype(dtype)

    @intrinsic
    def record_at(_typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(record))

        return record(types.uint64), generate

    return record_at


def rows_at(kind: Any, *shape: int) -> Any:
    """Likewise to a record whose one field "row" is an array; nobody allocates, or reads, more rows than there are."""
    row = np.dtype((kind, shape)) if shape else np.dtype(kind)
    return at(np.dtype([("row", kind, (2**30 // row.itemsize, *shape))]))


fetch = _fetcher()
book_at, venue_at = at(book_type(*SMALL)), at(venue_type(SMALL[0]))
large_book_at, large_venue_at = at(book_type(*LARGE)), at(venue_type(LARGE[0]))
