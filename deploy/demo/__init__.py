"""The demo: the whole system on the embedded broker, fed with recorded prices, carbon and plug times."""
