"""The simulator: book, auction, accounts, latency, replay, clock, and the environments over them."""

import gymnasium

if "lobarena/MarketMaking-v0" not in gymnasium.registry:
    gymnasium.register(
        "lobarena/MarketMaking-v0",
        "lobarena.sim.env:MarketMaking",
        vector_entry_point="lobarena.sim.vector_env:VectorMarketMaking",
    )
