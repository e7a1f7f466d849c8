"""`d2ev backtest`: recorded sessions on recorded prices and carbon, driven by the very rules that run live."""
