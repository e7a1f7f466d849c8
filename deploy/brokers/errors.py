"""The one error of this package: a broker that cannot be had here, said in one line with the remedy."""


class BrokerError(RuntimeError):
    """A broker cannot be started or stopped here; the message names what is missing and the remedy."""
