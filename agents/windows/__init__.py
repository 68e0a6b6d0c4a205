"""What forecasters read of a market: numbers of each look, what came after it, and when."""
