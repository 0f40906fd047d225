"""How the clients of a topology file serve encryptors: ETSI GS QKD 014 and SKIP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsked.config import rules, schema
from dsked.config.document import Document, Place
from dsked.config.node import SkipSettings, TlsSettings

#: (place, value) of every key of TLS that is written
_Written = Mapping[str, tuple[Place, Any]]
_TLS_KEYS = frozenset(schema.TlsEntry.__struct_fields__)
_NEEDED = ("certificate", "private_key", "client_ca")


@dataclass(frozen=True, slots=True, kw_only=True)
class Etsi:
    """How one client serves ETSI GS QKD 014: with `tls`, else as plain HTTP."""

    tls: TlsSettings | None = None
    insecure: bool = False  # plain HTTP on any address
    #: Where `dskectl etsi-qkd` finds what encryptors show, `{name}` being the encryptor's name.
    encryptor_certificates: str | None = None
    encryptor_private_keys: str | None = None

    @property
    def mode(self) -> str | None:
        """The word for plain HTTP, or None with TLS."""
        if self.tls:
            return None
        return rules.ETSI_PLAIN_HTTP_INSECURE if self.insecure else rules.ETSI_PLAIN_HTTP


def parts(etsi: bool, etsi_tls: TlsSettings | None, skip: SkipSettings | None) -> list[str]:
    """What a client's interfaces run on, in the words of `dsked.daemon.loading.MODULES`."""
    psk = skip is not None and skip.psk_file is not None
    needed = {
        "http": etsi or skip is not None,
        "tls": etsi_tls is not None or (skip is not None and skip.tls is not None) or psk,
        "skip": skip is not None,
        "psk": psk,
    }
    return [part for part, is_needed in needed.items() if is_needed]


class Interfaces:
    """The interfaces of a file's clients, each by its client's index in the file."""

    def __init__(self, source: Document, entry: schema.FileEntry) -> None:
        """Raises ConfigurationError with the place of a system ID that is none, or that two have."""
        self._source = source
        self._entry = entry
        self._encryptors = frozenset(one.name for client in entry.clients for one in client.encryptors)
        self._system_ids = _system_ids(source, entry)
        self._system_ids |= _of_others(source, entry, self._system_ids)

    def etsi(self, index: int) -> Etsi | None:
        """How the client serves ETSI GS QKD 014; None: not at all.

        Raises ConfigurationError with the place.
        """
        if self._entry.clients[index].etsi == schema.OFF:
            return None
        return self._etsi(index)

    def _etsi(self, index: int) -> Etsi | None:
        """The same where the client does not take itself out of it."""
        mode, own = self._entry.etsi, self._own(index)
        if isinstance(mode, str) and own is None:
            return self._plain_http(mode, index)
        if mode is None and own is None:
            return None
        written = _written(*self._etsi_layers(index))
        return Etsi(
            tls=self._tls(("etsi",) if own is None else ("clients", index, "etsi"), written, index),
            encryptor_certificates=self._template(written, "encryptor_certificates"),
            encryptor_private_keys=self._template(written, "encryptor_private_keys"),
        )

    def _own(self, index: int) -> schema.EtsiEntry | None:
        """What stands below the client's own `etsi`. Raises ConfigurationError for a word but `off`."""
        own = self._entry.clients[index].etsi
        if isinstance(own, str) and own != schema.OFF:
            raise self._source.error(
                ("clients", index, "etsi"),
                f"{own!r} is not known; expected off, or a mapping that replaces keys of 'etsi' at the top",
            )
        return own if isinstance(own, schema.EtsiEntry) else None

    def _plain_http(self, mode: str, index: int) -> Etsi:
        fault = rules.etsi_fault(mode, self._entry.clients[index].host)
        if fault:
            known = mode in rules.ETSI_PLAIN_MODES
            raise self._source.error(("clients", index, "host") if known else ("etsi",), fault)
        return Etsi(insecure=mode == rules.ETSI_PLAIN_HTTP_INSECURE)

    def skip(self, index: int) -> SkipSettings | None:
        """The client's SKIP interface, with what `etsi` has of TLS, be that served or not; None: no SKIP.

        Raises ConfigurationError with the place.
        """
        client, of_file = self._entry.clients[index], self._entry.skip
        if client.skip not in (None, schema.OFF):
            raise self._source.error(
                ("clients", index, "skip"),
                "expected off: all else of SKIP stands in 'skip' at the top of the file",
            )
        if of_file is None or client.skip == schema.OFF:
            without = "with skip: off" if of_file else "without 'skip' at the top of the file, say: skip: {}"
            for key, value in (("skip_host", client.skip_host), ("skip_port", client.skip_port)):
                if value is not None:
                    raise self._source.error(("clients", index, key), f"has no effect {without}")
            return None
        etsi = self._etsi(index)
        tls = self._skip_tls(of_file, index, etsi)
        psk_file = None
        if of_file.psk_file is not None:
            psk_file = self._file(("skip", "psk_file"), of_file.psk_file, client.name)
        mode = etsi.mode if etsi and not tls and not psk_file else None
        return SkipSettings(
            host=self._skip_host(index, mode),
            port=self._skip_port(of_file, index),
            tls=tls,
            psk_file=psk_file,
            plain_http=mode,
            system_ids=self._system_ids,
        )

    def _skip_host(self, index: int, mode: str | None) -> str:
        client = self._entry.clients[index]
        if client.skip_host is None:
            return client.host
        place: Place = ("clients", index, "skip_host")
        fault = rules.listening_host_fault(client.skip_host)
        if mode and not fault:
            fault = rules.etsi_fault(mode, client.skip_host)
        if fault:
            raise self._source.error(place, fault)
        return client.skip_host

    def _skip_port(self, of_file: schema.SkipEntry, index: int) -> int:
        own = self._entry.clients[index].skip_port
        port = of_file.base_port + index if own is None else own
        fault = rules.port_fault(port)
        if fault:
            place: Place = ("skip", "base_port") if own is None else ("clients", index, "skip_port")
            raise self._source.error(place, fault)
        return port

    def _skip_tls(self, of_file: schema.SkipEntry, index: int, etsi: Etsi | None) -> TlsSettings | None:
        layer: tuple[Place, schema.TlsEntry] = (("skip",), of_file)
        if _TLS_KEYS & _written(layer).keys():
            written = _written(*self._etsi_layers(index), layer)
            return self._tls(("skip",), written, index)
        if etsi is None and of_file.psk_file is None:
            raise self._source.error(
                ("skip",), "needs certificate, private_key and client_ca here or below 'etsi', or a psk_file"
            )
        return etsi.tls if etsi else None

    def _tls(self, place: Place, written: _Written, index: int) -> TlsSettings:
        for key in _NEEDED:
            if key not in written:
                raise self._source.error(place, f"the key {key!r} is missing; TLS needs {', '.join(_NEEDED)}")
        values = {key: value for key, (_, value) in written.items() if key in _TLS_KEYS}
        for key in values.keys() & {*_NEEDED, "crl"}:
            values[key] = self._file(*written[key], self._entry.clients[index].name)
        if "minimum_tls" in values:
            values["minimum_tls"] = str(values["minimum_tls"])
        tls = TlsSettings(**values)
        for key, fault in rules.tls_faults(tls.sae_id_from, tls.sae_ids, tls.minimum_tls, self._encryptors):
            raise self._source.error(written[key][0] if key in written else (*place, key), fault)
        return tls

    def _etsi_layers(self, index: int) -> Iterator[tuple[Place, schema.TlsEntry]]:
        if isinstance(self._entry.etsi, schema.EtsiEntry):
            yield ("etsi",), self._entry.etsi
        own = self._own(index)
        if own is not None:
            yield ("clients", index, "etsi"), own

    def _template(self, written: _Written, key: str) -> str | None:
        return str(self._file(*written[key])) if key in written else None

    def _file(self, place: Place, text: str, name: str = "{name}") -> Path:
        fault = rules.template_fault(text)
        if fault:
            raise self._source.error(place, fault)
        return self._source.beside(place, text.replace("{name}", name))


def _system_ids(source: Document, entry: schema.FileEntry) -> dict[str, str]:
    """SKIP system ID -> encryptor, of the whole file."""
    found: dict[str, str] = {}
    for index, client in enumerate(entry.clients):
        for number, one in enumerate(client.encryptors):
            system_id = one.name if one.system_id is None else one.system_id
            fault = rules.system_id_fault(system_id)
            if system_id in found:
                fault = (
                    f"the system ID {system_id!r} is that of {found[system_id]!r} already; they must differ"
                )
            if fault:
                raise source.error(("clients", index, "encryptors", number, "system_id"), fault)
            found[system_id] = one.name
    return found


def _of_others(source: Document, entry: schema.FileEntry, own: Mapping[str, str]) -> dict[str, str]:
    """SKIP system ID -> encryptor, of encryptors that the file does not name."""
    if entry.skip is None:
        return {}
    for system_id, name in entry.skip.system_ids.items():
        place: Place = ("skip", "system_ids", system_id)
        fault = rules.system_id_fault(system_id) or rules.encryptor_name_fault(name)
        if system_id in own or name in own.values():
            fault = f"the system ID {system_id!r} or the encryptor {name!r} stands below 'encryptors' already"
        if fault:
            raise source.error(place, fault)
    return entry.skip.system_ids


def _written(*layers: tuple[Place, schema.TlsEntry]) -> _Written:
    """What is written; the last layer that says anything of a key counts."""
    return {
        key: ((*place, key), value)
        for place, layer in layers
        for key in layer.__struct_fields__
        if (value := getattr(layer, key)) is not None
    }
