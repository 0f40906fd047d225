"""A key service before another one, for what is done on the way: requests are measured, or written down."""

from __future__ import annotations

from dsked.delivery.service import KeyService


class WrappedKeys:
    """What all KeyServices that pass on to another have; `get_keys` and `get_keys_by_id` are their own."""

    def __init__(self, service: KeyService) -> None:
        self._service = service
        self.locate = service.locate
        self.limits = service.limits

    @property
    def name(self) -> str:
        """Name of the client."""
        return self._service.name

    @property
    def encryptors(self) -> tuple[str, ...]:
        """The encryptors that it serves, at present."""
        return self._service.encryptors
