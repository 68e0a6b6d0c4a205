"""Every kind of shock by name: a new one is a class and a line here."""

from lobarena.sim.shocks.cascade import Cascade
from lobarena.sim.shocks.ladder import Spoof, Spread, Withdraw
from lobarena.sim.shocks.orders import Stuff, Sweep
from lobarena.sim.shocks.prices import Move, Volatility
from lobarena.sim.shocks.shock import Shock
from lobarena.sim.shocks.venue import Gate, Halt, Latency, Line, Rule

KINDS: dict[str, type[Shock]] = {
    "move": Move,
    "volatility": Volatility,
    "spread": Spread,
    "withdraw": Withdraw,
    "spoof": Spoof,
    "sweep": Sweep,
    "stuff": Stuff,
    "cascade": Cascade,
    "halt": Halt,
    "rule": Rule,
    "gate": Gate,
    "latency": Latency,
    "line": Line,
}
