"""The demo's page: the fleet on one screen and every car's plan with its reasons, on loopback only."""

from deploy.demo.page.server import serve

__all__ = ["serve"]
