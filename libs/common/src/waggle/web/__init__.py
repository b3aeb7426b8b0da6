"""What every service's HTTP side has in common: the application factory, errors, bodies, pages, access marks, live streams."""

from waggle.web.app import create_app
from waggle.web.requests import client_address, request_id

__all__ = ["client_address", "create_app", "request_id"]
