"""The language model as market maker: prompt, answer, forecast, quotes; local, served or recorded."""
