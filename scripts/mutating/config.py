"""Configuration: what would be unsafe is refused, and what is written is what holds."""

from __future__ import annotations

from mutating.mutant import Mutant

RULES, TOPOLOGY, DOCUMENT = "dsked/config/rules.py", "dsked/config/topology.py", "dsked/config/document.py"
ADDRESSES, INTERFACES = "dsked/config/addresses.py", "dsked/config/interfaces.py"
MERGE, MERGE_INTERFACES = "dsked/config/merge.py", "dsked/config/merge_interfaces.py"
GATE_KEYS, PATHS, LIMITS = "dsked/config/gate_keys.py", "dsked/config/paths.py", "dsked/config/node_limits.py"
TOPOLOGY_CHECKS, SECRET_FILES = "dsked/config/topology_checks.py", "dsked/config/secret_files.py"
OF_TOPOLOGY = ("tests/config/test_topology.py",)
OF_DOCUMENT = ("tests/config/test_document.py",)
OF_INTERFACES = ("tests/config/test_interfaces.py",)
OF_MERGE = ("tests/config/test_merge.py", "tests/config/test_merge_interfaces.py")
OF_GATE_KEYS = ("tests/config/test_gate_keys.py",)
OF_SECRET_FILES = ("tests/config/test_secret_files.py",)
OF_PATHS = ("tests/config/test_paths.py",)
OF_LIMITS = ("tests/config/test_limits.py",)

MUTANTS = (
    Mutant(
        "configuration: one hub alone may know the keys",
        RULES,
        "    if k < 2:\n",
        "    if k < 1:\n",
        OF_TOPOLOGY,
    ),
    Mutant(
        "configuration: simulated PSRD goes over a network unasked",
        RULES,
        "    if mode == SIMULATED and outside:\n",
        "    if mode == SIMULATED and not hosts:\n",
        OF_TOPOLOGY,
    ),
    Mutant(
        "configuration: plain HTTP goes over a network unasked",
        RULES,
        "    if mode == ETSI_PLAIN_HTTP and not is_loopback(host):\n",
        "    if mode == ETSI_PLAIN_HTTP and not host:\n",
        OF_TOPOLOGY,
    ),
    Mutant(
        "configuration: a name that only looks like an address is loopback",
        RULES,
        '    if host == "localhost":\n        return True\n',
        '    if host.startswith(("localhost", "127.")):\n        return True\n',
        OF_TOPOLOGY,
    ),
    Mutant(
        "configuration: a client listens on all addresses",
        RULES,
        "    if is_wildcard(host):\n",
        "    if not host:\n",
        OF_TOPOLOGY,
    ),
    Mutant(
        "configuration: shares never expire",
        RULES,
        "    if not 0 < share_timeout_s <= MAX_SHARE_TIMEOUT_S:  # false for NaN as well\n",
        "    if share_timeout_s <= 0 or MAX_SHARE_TIMEOUT_S < share_timeout_s:\n",
        OF_TOPOLOGY,
    ),
    Mutant(
        "configuration: a name that ends in a space is another encryptor's",
        RULES,
        "    if not name.isprintable() or name != name.strip():\n",
        "    if not name.isprintable():\n",
        OF_TOPOLOGY,
    ),
    Mutant(
        "configuration: a map of SAE IDs that does not count is taken",
        RULES,
        "    elif (sae_id_from == SAE_ID_FROM_MAP) != bool(sae_ids):\n",
        "    elif sae_id_from == SAE_ID_FROM_MAP and not sae_ids:\n",
        OF_INTERFACES,
    ),
    Mutant(
        "configuration: two nodes or encryptors of one name",
        TOPOLOGY_CHECKS,
        "    if name in seen:\n",
        "    if not name:\n",
        OF_TOPOLOGY,
    ),
    Mutant(
        "configuration: two hubs have one x-coordinate",
        ADDRESSES,
        "        if x in places:\n",
        "        if x in places and hub.x_coordinate is not None:\n",
        OF_TOPOLOGY,
    ),
    Mutant(
        "configuration: an x-coordinate of 0, at which the key lies",
        ADDRESSES,
        "        if not 1 <= x <= limits.MAX_HUBS:\n",
        "        if not 0 <= x <= limits.MAX_HUBS:\n",
        OF_TOPOLOGY,
    ),
    Mutant(
        "configuration: localhost and 127.0.0.1 are two hosts",
        RULES,
        '    if host == "localhost":\n        return "127.0.0.1"\n',
        '    if host == "":\n        return "127.0.0.1"\n',
        OF_TOPOLOGY,
    ),
    Mutant(
        "configuration: of a key that is written twice the last counts",
        DOCUMENT,
        "        if inner in self.lines:\n",
        "        if not inner:\n",
        OF_DOCUMENT,
    ),
    Mutant(
        "configuration: aliases make a file without end",
        DOCUMENT,
        "        if id(node) in self._nodes:\n",
        "        if id(node) in self._nodes and line > 2:\n",
        OF_DOCUMENT,
    ),
    Mutant(
        "configuration: a file of many values is composed",
        DOCUMENT,
        "        if number > MAX_VALUES:\n",
        "        if number > 100 * MAX_VALUES:\n",
        OF_DOCUMENT,
    ),
    Mutant(
        "configuration: two encryptors have one SKIP system ID",
        INTERFACES,
        "            if system_id in found:\n",
        "            if system_id in found and one.system_id is not None:\n",
        OF_INTERFACES,
    ),
    Mutant(
        "configuration: a client's own TLS gives way to that of all",
        INTERFACES,
        "            written = _written(*self._etsi_layers(index), layer)\n",
        "            written = _written(layer, *self._etsi_layers(index))\n",
        OF_INTERFACES,
    ),
    Mutant(
        "configuration: a client has the private key of another",
        INTERFACES,
        "            values[key] = self._file(*written[key], self._entry.clients[index].name)\n",
        "            values[key] = self._file(*written[key], self._entry.clients[0].name)\n",
        OF_INTERFACES,
    ),
    Mutant(
        "configuration: the command line gives way to the file",
        MERGE,
        "    return chosen_limits.with_values({**of_file, **options.limits})\n",
        "    return chosen_limits.with_values({**options.limits, **of_file})\n",
        OF_LIMITS,
    ),
    Mutant(
        "configuration: a limit for all nodes counts more than a node's own",
        LIMITS,
        '{**of_all, **_checked(source, (key, index, "limits"), node.limits, role)}',
        '{**_checked(source, (key, index, "limits"), node.limits, role), **of_all}',
        OF_LIMITS,
    ),
    Mutant(
        "configuration: a hub takes gate keys of other hubs",
        MERGE,
        "for (client, hub), key in keys.items() if hub == options.name}",
        "for (client, hub), key in keys.items() if hub}",
        OF_MERGE,
    ),
    Mutant(
        "configuration: a hub of a topology takes encryptors as they come",
        MERGE,
        "        owners=_owners(network, options.name),\n",
        "        owners=None,\n",
        OF_MERGE,
    ),
    Mutant(
        "configuration: a hub serves clients that share nothing with it",
        MERGE,
        "    clients = network.clients_of(hub)\n",
        "    clients = network.clients\n",
        ("tests/config/test_client_hubs.py",),
    ),
    Mutant(
        "configuration: over a network daemons make gate keys of their own",
        MERGE,
        "        if network.on_loopback() and options.gate_keys is None:\n",
        "        if options.gate_keys is None:\n",
        OF_MERGE,
    ),
    Mutant(
        "configuration: users who may act for an encryptor are forgotten",
        MERGE,
        "    return tuple(known.get(name, Encryptor(name)) for name in dict.fromkeys(options.encryptors))\n",
        "    return tuple(Encryptor(name) for name in dict.fromkeys(options.encryptors))\n",
        OF_MERGE,
    ),
    Mutant(
        "configuration: plain HTTP off loopback on the command line",
        MERGE_INTERFACES,
        '        check("--etsi", rules.etsi_fault(found.mode, host',
        '        check("--etsi", rules.etsi_fault(found.mode, "127.0.0.1"',
        OF_MERGE,
    ),
    Mutant(
        "configuration: keys are held for an encryptor of another client",
        MERGE_INTERFACES,
        "    if keys.initiator not in encryptors:\n",
        "    if not encryptors:\n",
        OF_MERGE,
    ),
    Mutant(
        "gate keys: a file that a group may read is taken",
        GATE_KEYS,
        "            if secret_files.open_to(status):\n",
        "            if mode & 0o007:\n",
        OF_GATE_KEYS,
    ),
    Mutant(
        "secret files: a group may read those of any owner",
        SECRET_FILES,
        "    return bits & ~stat.S_IRGRP if status.st_uid == 0 else bits\n",
        "    return bits & ~stat.S_IRGRP\n",
        OF_SECRET_FILES,
    ),
    Mutant(
        "secret files: a group may write those of root",
        SECRET_FILES,
        "    return bits & ~stat.S_IRGRP if status.st_uid == 0 else bits\n",
        "    return bits & 0o007 if status.st_uid == 0 else bits\n",
        OF_SECRET_FILES,
    ),
    Mutant(
        "gate keys: those that are there are made anew",
        GATE_KEYS,
        "    missing = [pair for pair in pairs if pair not in keys]\n",
        "    missing = list(pairs)\n",
        OF_GATE_KEYS,
    ),
    Mutant(
        "gate keys: they are written for all to read",
        GATE_KEYS,
        "os.O_CLOEXEC, 0o600)",
        "os.O_CLOEXEC, 0o644)",
        OF_GATE_KEYS,
    ),
    Mutant(
        "gate keys: a short one will do",
        GATE_KEYS,
        "    if any(len(key) != limits.GATE_KEY_BYTES for key in keys.values()):\n",
        "    if any(len(key) > limits.GATE_KEY_BYTES for key in keys.values()):\n",
        OF_GATE_KEYS,
    ),
    Mutant(
        "gate keys: of processes that add some at once one loses its own",
        GATE_KEYS,
        "        fcntl.flock(directory, fcntl.LOCK_EX)\n",
        "",
        OF_GATE_KEYS,
    ),
    Mutant(
        "paths: a directory that all may write to holds control sockets",
        PATHS,
        "    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:\n",
        "    if not status.st_mode:\n",
        OF_PATHS,
    ),
    Mutant(
        "paths: a link that somebody planted is followed",
        PATHS,
        "    status = path.lstat()\n",
        "    status = path.stat()\n",
        OF_PATHS,
    ),
    Mutant(
        "paths: sockets of a directory that somebody planted hand out keys",
        PATHS,
        "if not own.exists() or _is_ours(own) else",
        "if own else",
        OF_PATHS,
    ),
    Mutant(
        "paths: a link to a topology file is another topology",
        PATHS,
        "    real = os.path.realpath(config)\n",
        "    real = os.path.abspath(config)\n",
        OF_PATHS,
    ),
    Mutant(
        "paths: long names of two nodes give one socket",
        PATHS,
        '    return f"{name[: MAX_SOCKET_NAME_CHARACTERS - 9]}~{digits}"\n',
        '    return f"{name[: MAX_SOCKET_NAME_CHARACTERS - 9]}~{digits[:0]:08}"\n',
        OF_PATHS,
    ),
)
