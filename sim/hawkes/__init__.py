"""A reactive crowd: self-exciting order flow through the engine, answering to the seats."""
