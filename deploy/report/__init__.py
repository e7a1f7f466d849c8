"""`d2ev report`: what charging cost, emitted and kept of its promises over a period, as one page."""
