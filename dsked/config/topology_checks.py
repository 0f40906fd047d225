"""What a topology file as a whole must keep: names, numbers of nodes, sizes; and what it is warned of."""

from __future__ import annotations

from collections.abc import Iterator

from dsked import limits
from dsked.config import client_hubs, rules, schema
from dsked.config.document import Document, Place


def check(source: Document, entry: schema.FileEntry, own_role: str | None) -> None:
    """Raises ConfigurationError with the place. `own_role`: of the node whose file it is; None: of all."""
    _names(source, entry)
    _counts(source, entry)
    if own_role != "hub":  # k is the clients'
        fault = rules.min_nr_shares_fault(entry.min_nr_shares, len(entry.hubs))
        if fault:
            raise source.error(("min_nr_shares",), fault)
        client_hubs.check(source, entry)
    _psrd(source, entry)
    fault = rules.wrapping_fault(rules.wrapping_word(entry.wrapping))
    if fault:
        raise source.error(("wrapping",), fault)
    for key, fault in rules.log_faults(entry.logging.format, entry.logging.level):
        raise source.error(("logging", key), fault)
    _audit_log(source, entry, own_role)


def _names(source: Document, entry: schema.FileEntry) -> None:
    seen: dict[str, str] = {}
    for place, name in _node_names(entry):
        fault = rules.node_name_fault(name)
        if fault:
            raise source.error(place, fault)
        _check_once(source, seen, place, name)
    seen = {}
    for place, encryptor in _encryptors(entry):
        fault = rules.encryptor_name_fault(encryptor.name)
        if fault:
            raise source.error(place, fault)
        _check_once(source, seen, place, encryptor.name)


def _check_once(source: Document, seen: dict[str, str], place: Place, name: str) -> None:
    if name in seen:
        raise source.error(place, f"the name {name!r} stands at {seen[name]} already; names must differ")
    seen[name] = source.text(place)


def _node_names(entry: schema.FileEntry) -> Iterator[tuple[Place, str]]:
    for index, hub in enumerate(entry.hubs):
        yield ("hubs", index, "name"), hub.name
    for index, client in enumerate(entry.clients):
        yield ("clients", index, "name"), client.name


def _encryptors(entry: schema.FileEntry) -> Iterator[tuple[Place, schema.EncryptorEntry]]:
    for index, client in enumerate(entry.clients):
        for number, encryptor in enumerate(client.encryptors):
            yield ("clients", index, "encryptors", number, "name"), encryptor


def _counts(source: Document, entry: schema.FileEntry) -> None:
    if not 1 <= len(entry.hubs) <= limits.MAX_HUBS:
        raise source.error(("hubs",), f"1 to {limits.MAX_HUBS} hubs are expected, got {len(entry.hubs)}")
    if not entry.clients:
        raise source.error(("clients",), "at least one client is expected")
    for index, client in enumerate(entry.clients):
        if len(client.encryptors) > limits.MAX_ENCRYPTORS_PER_CLIENT:
            raise source.error(
                ("clients", index, "encryptors"),
                f"at most {limits.MAX_ENCRYPTORS_PER_CLIENT} encryptors per client, "
                f"got {len(client.encryptors)}",
            )


#: The directory of the control sockets is closed to everybody else.
_WITHOUT_CONTROL_GROUP = "has no effect for users who are not in control_group; none is set"


def warnings(source: Document, entry: schema.FileEntry, own_role: str | None) -> Iterator[str]:
    """What is allowed and perhaps not meant, with the place."""
    text = rules.min_nr_shares_warning(entry.min_nr_shares, len(entry.hubs)) if own_role != "hub" else None
    if text:
        yield str(source.error(("min_nr_shares",), text))
    if own_role is None:
        yield from client_hubs.warnings(source, entry)
    if entry.control_group is None:
        for place, encryptor in _encryptors(entry):
            for key, listed in (("users", encryptor.users), ("groups", encryptor.groups)):
                if listed:
                    yield str(source.error((*place[:-1], key), _WITHOUT_CONTROL_GROUP))


def _psrd(source: Document, entry: schema.FileEntry) -> None:
    faults = rules.psrd_faults(
        entry.start_request_psrd_threshold,
        entry.stop_request_psrd_threshold,
        entry.get_psrd_block_size,
        entry.share_timeout_secs,
        simulated=entry.psrd != rules.MEDIA,
    )
    for key, fault in faults:
        raise source.error((key,), fault)


def _audit_log(source: Document, entry: schema.FileEntry, own_role: str | None) -> None:
    if entry.audit_log is None:
        return
    fault = rules.template_fault(entry.audit_log)
    if own_role is None and "{name}" not in entry.audit_log:
        fault = fault or f"{entry.audit_log!r} is one file for all nodes; expected {{name}} in it"
    if fault:
        raise source.error(("audit_log",), fault)
