"""How a client serves its encryptors, from the topology file and the command line; the command line wins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dsked.chosen_limits import Limits
from dsked.config import rules
from dsked.config.interfaces import Etsi
from dsked.config.node import SkipSettings, StoredKeys, TlsSettings
from dsked.config.options import Options, check
from dsked.config.topology import Client
from dsked.errors import ConfigurationError

_NEEDED = ("certificate", "private_key", "client_ca")
_INSECURE_OPTION = "--etsi-plain-http-insecure-over-the-network"
_TLS_KEYS = (*_NEEDED, "crl", "sae_id_from", "sae_ids", "minimum_tls")


def etsi(options: Options, own: Client | None, host: str, port: int | None) -> Etsi | None:
    """How the client serves ETSI GS QKD 014; None: not at all.

    Raises ConfigurationError that names the option.
    """
    written = _tls_options(options)
    of_file = own.etsi if own else None
    if options.etsi and written:
        raise ConfigurationError(f"--etsi: is for plain HTTP, and {_option(next(iter(written)))} for TLS")
    if options.etsi:
        found: Etsi | None = Etsi(insecure=options.etsi == rules.ETSI_PLAIN_HTTP_INSECURE)
    elif written and port is None and options.skip_port is not None:
        found = None  # TLS is for SKIP alone
    elif written:
        found = Etsi(tls=_tls(written, of_file.tls if of_file else None))
    else:
        found = of_file
    _check_etsi(options, found, host, port)
    return found


def _check_etsi(options: Options, found: Etsi | None, host: str, port: int | None) -> None:
    if found is None:
        if options.port is not None:
            raise ConfigurationError(
                "--port: is the port of the ETSI interface, which is off; add --etsi-certificate, "
                f"--etsi-private-key and --etsi-client-ca, or --etsi {rules.ETSI_PLAIN_HTTP}"
            )
        return
    if found.mode:
        check("--etsi", rules.etsi_fault(found.mode, host, _INSECURE_OPTION))
    if port is None:
        raise ConfigurationError(f"{'--etsi' if found.mode else '--etsi-certificate'}: needs --port")


def _tls_options(options: Options) -> dict[str, Any]:
    """What the command line says of TLS."""
    values = {key: getattr(options, f"etsi_{key}") for key in _TLS_KEYS}
    return {key: value for key, value in values.items() if value}


def _option(key: str) -> str:
    return "--etsi-sae-id" if key == "sae_ids" else f"--etsi-{key.replace('_', '-')}"


def _tls(written: Mapping[str, Any], of_file: TlsSettings | None) -> TlsSettings:
    if of_file is None:
        for key in _NEEDED:
            if key not in written:
                raise ConfigurationError(
                    f"{_option(key)}: missing; TLS needs {', '.join(map(_option, _NEEDED))}"
                )
        tls = TlsSettings(**written)
    else:
        tls = replace(of_file, **written)
    for key, fault in rules.tls_faults(tls.sae_id_from, tls.sae_ids, tls.minimum_tls, None):
        raise ConfigurationError(f"{_option(key)}: {fault}")
    return tls


def skip(
    options: Options,
    own: Client | None,
    address: tuple[str, int | None],
    etsi: Etsi | None,
    encryptors: tuple[str, ...],
) -> SkipSettings | None:
    """The client's SKIP interface, beside ETSI GS QKD 014 at `address` as `etsi` says; None: no SKIP.

    Raises ConfigurationError that names the option.
    """
    of_file = own.skip if own else None
    host = address[0]
    if of_file and options.host is None:
        host = of_file.host
    port = options.skip_port if options.skip_port is not None else of_file.port if of_file else None
    if port is None:
        for name, value in (("psk-file", options.skip_psk_file), ("system-id", options.skip_system_ids)):
            if value:
                raise ConfigurationError(f"--skip-{name}: needs --skip-port, or 'skip' in a topology file")
        return None
    check("--skip-port", rules.port_fault(port))
    if etsi and (host, port) == address:
        raise ConfigurationError(f"--skip-port: {port} is the port of the ETSI interface; ports must differ")
    tls = _skip_tls(options, of_file, etsi)
    psk_file = options.skip_psk_file or (of_file.psk_file if of_file else None)
    mode = None if tls or psk_file else etsi.mode if etsi else of_file.plain_http if of_file else None
    if mode:
        check("--skip-port", rules.etsi_fault(mode, host, _INSECURE_OPTION))
    if not (tls or psk_file or mode):
        raise ConfigurationError(
            "--skip-port: needs --etsi-certificate, --etsi-private-key and --etsi-client-ca, --skip-psk-file "
            "or the ETSI interface as plain HTTP"
        )
    return SkipSettings(
        host=host,
        port=port,
        tls=tls,
        psk_file=psk_file,
        plain_http=mode,
        system_ids=_system_ids(options, of_file, encryptors),
    )


def _skip_tls(options: Options, of_file: SkipSettings | None, etsi: Etsi | None) -> TlsSettings | None:
    """The file's, with what the command line says of TLS; else that of ETSI GS QKD 014."""
    written = _tls_options(options)
    if of_file and of_file.tls:
        return _tls(written, of_file.tls) if written else of_file.tls
    if etsi is None:
        return _tls(written, None) if written else None
    return etsi.tls


def _system_ids(
    options: Options, of_file: SkipSettings | None, encryptors: tuple[str, ...]
) -> dict[str, str]:
    """System ID -> encryptor; an encryptor that has none written goes by its name."""
    anew = set(options.skip_system_ids.values())
    of_others = of_file.system_ids.items() if of_file else ()
    found = {system: name for system, name in of_others if name not in anew} | dict(options.skip_system_ids)
    for system_id, name in options.skip_system_ids.items():
        check("--skip-system-id", rules.system_id_fault(system_id) or rules.encryptor_name_fault(name))
    named = set(found.values())
    for name in encryptors:
        if name not in named:
            if name in found:
                raise ConfigurationError(
                    f"--skip-system-id: {name!r} is the system ID of {found[name]!r}, and the encryptor "
                    f"{name!r} has none; expected one for it as well"
                )
            found[name] = name
    return found


def stored_keys(
    options: Options, own: Client | None, encryptors: tuple[str, ...], chosen: Limits
) -> tuple[StoredKeys, ...]:
    """The keys to hold ready. Raises ConfigurationError that names the option."""
    if not options.stored_keys:
        listed = own.encryptors if own else ()
        return tuple(keys for one in listed if one.name in encryptors for keys in one.stored_keys)
    seen = set()
    for keys in options.stored_keys:
        check("--stored-keys", _stored_keys_fault(keys, encryptors, chosen))
        pair = (keys.initiator, keys.responder, keys.size_bits)
        if pair in seen:
            raise ConfigurationError(
                f"--stored-keys: {pair[0]}:{pair[1]} with {pair[2]} bits stands there twice"
            )
        seen.add(pair)
    wanted = [(keys.count, keys.size_bits) for keys in options.stored_keys]
    check("--stored-keys", rules.stored_keys_total_fault(wanted))
    return options.stored_keys


def _stored_keys_fault(keys: StoredKeys, encryptors: tuple[str, ...], chosen: Limits) -> str | None:
    if keys.initiator not in encryptors:
        return f"{keys.initiator!r} is no encryptor of this client; expected one of {', '.join(encryptors)}"
    if keys.responder == keys.initiator:
        return f"{keys.responder!r} stands on both sides; expected two encryptors"
    faults = rules.stored_keys_faults(keys.count, keys.size_bits, chosen.max_key_size_bits)
    return rules.encryptor_name_fault(keys.responder) or next((fault for _, fault in faults), None)
