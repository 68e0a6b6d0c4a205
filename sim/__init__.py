"""The simulator: book, auction, accounts, latency, replay, clock, and the environments over them."""
