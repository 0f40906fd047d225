"""Local users and encryptors: who may ask, and how much."""

from __future__ import annotations

from mutating.mutant import Mutant

CONTROL, OF_CONTROL = (
    "dsked/delivery/control_connection.py",
    (
        "tests/delivery/test_control.py",
        "tests/delivery/test_control_limits.py",
    ),
)
OF_ETSI, OF_LISTENER = (
    ("tests/delivery/test_etsi.py", "tests/delivery/test_http_server.py"),
    ("tests/delivery/test_listener.py",),
)
OF_ACCESS = ("tests/delivery/test_access.py",)
OF_BROWSERS = ("tests/delivery/test_browsers.py",)
OF_DOCS_PAGE = ("tests/delivery/test_docs_page.py",)
OF_ETSI_MESSAGES = ("tests/delivery/test_etsi_messages.py",)

MUTANTS = (
    Mutant(
        "any local user gets the keys of any encryptor",
        CONTROL,
        "        if not self._server.rules.may_act_for(self.user, encryptor):\n",
        "        if not encryptor:\n",
        OF_CONTROL,
    ),
    Mutant(
        "any local user stops a node",
        CONTROL,
        "        if not self._server.rules.may_control(self.user):\n",
        "        if not self.user:\n",
        OF_CONTROL,
    ),
    Mutant(
        "rules for one encryptor hold for another",
        "dsked/delivery/access.py",
        "user.uid in self.users.get(encryptor, ())",
        "any(user.uid in users for users in self.users.values())",
        OF_ACCESS,
    ),
    Mutant(
        "a control request too many costs all that are open",
        CONTROL,
        'raise LimitError(f"{MAX_CONTROL_REQUESTS_IN_FLIGHT} requests',
        'raise FrameError(f"{MAX_CONTROL_REQUESTS_IN_FLIGHT} requests',
        OF_CONTROL,
    ),
    Mutant(
        "what a control client that does not read has asked already is served",
        CONTROL,
        "        self._paused = True\n",
        "",
        OF_CONTROL,
    ),
    Mutant(
        "a control client that does not read may go on asking",
        CONTROL,
        "        self._reader.pause()\n",
        "        pass\n",
        OF_CONTROL,
    ),
    Mutant(
        "replies that a control client does not read have no limit",
        CONTROL,
        "if self.unread_bytes > _SMALL_BYTES and self._server.unread_bytes(self) > MAX_CONTROL_UNREAD_BYTES:",
        "if False:",
        OF_CONTROL,
    ),
    Mutant(
        "the text of a fault of ours goes out over the control socket",
        CONTROL,
        'self._fail(request_id, DskedError("internal error: see the node\'s log"))',
        'self._fail(request_id, DskedError(str(__import__("sys").exc_info()[1])))',
        OF_CONTROL,
    ),
    Mutant(
        "the text of a fault of ours goes out over HTTP",
        "dsked/delivery/etsi.py",
        'messages.error_document("internal error: see the KME\'s log")',
        'messages.error_document(str(__import__("sys").exc_info()[1]))',
        OF_ETSI,
    ),
    Mutant(
        "of a name that stands twice in a body the last value counts",
        "dsked/delivery/json_bodies.py",
        '            raise RequestError(f"the body has',
        '            return print(f"the body has',
        OF_ETSI_MESSAGES,
    ),
    Mutant(
        "the colons of a body are not counted",
        "dsked/delivery/json_bodies.py",
        '    if body.count(b":") == members:',
        "    if members:",
        OF_ETSI_MESSAGES,
    ),
    Mutant(
        "one additional slave more than status tells",
        "dsked/delivery/etsi_messages.py",
        "    if len(additional) > max_additional:",
        "    if len(additional) > max_additional + 1:",
        OF_ETSI_MESSAGES,
    ),
    Mutant(
        "additional slaves are dropped",
        "dsked/delivery/etsi.py",
        "[slave, *asked.additional]",
        "[slave]",
        OF_ETSI,
    ),
    Mutant(
        "pages of other sites may ask for keys",
        "dsked/delivery/browsers.py",
        '    if headers.get(_SITE, "none") not in _OWN_SITE:',
        "    if not headers:",
        OF_BROWSERS,
    ),
    Mutant(
        "a browser tells of a foreign page in Referer, and is served",
        "dsked/delivery/browsers.py",
        "for field in (_ORIGIN, _REFERER) if",
        "for field in (_ORIGIN,) if",
        OF_BROWSERS,
    ),
    Mutant(
        "a browser may name any host",
        "dsked/delivery/browsers.py",
        "    if not tls and not _is_beyond_rebinding(",
        "    if not tls and _is_beyond_rebinding(",
        OF_BROWSERS,
    ),
    Mutant(
        "a browser that does not say which page asks gets keys",
        "dsked/delivery/browsers.py",
        "    if keys and agent and not any(field in headers for field in _TELLING):",
        "    if keys and not headers:",
        OF_BROWSERS,
    ),
    Mutant(
        "the page at /docs does not say that it asks",
        "dsked/delivery/docs_page.py",
        '"Referrer-Policy": "same-origin"',
        '"Referrer-Policy": "no-referrer"',
        OF_DOCS_PAGE,
    ),
    Mutant(
        "HTTP bodies have no limit",
        "dsked/delivery/http_server.py",
        "client_max_size=MAX_HTTP_BODY_BYTES",
        "client_max_size=0",
        OF_ETSI,
    ),
    Mutant(
        "HTTP connections that say nothing are kept",
        "dsked/delivery/http_server.py",
        "        transport.abort()\n",
        "        pass\n",
        OF_ETSI,
    ),
    Mutant(
        "plain HTTP on every address",
        "dsked/delivery/http_server.py",
        "    if not loopback:\n",
        "    if not host:\n",
        OF_ETSI,
    ),
    Mutant(
        "every local user may connect to the control socket",
        "dsked/delivery/listener.py",
        "_SOCKET_MODE = 0o660",
        "_SOCKET_MODE = 0o666",
        OF_LISTENER,
    ),
    Mutant(
        "a control socket takes the place of a living one",
        "dsked/delivery/listener.py",
        "    if _answers(path):\n",
        "    if not path:\n",
        OF_LISTENER,
    ),
    Mutant(
        "all control connections together have no limit",
        "dsked/delivery/control.py",
        "not self._of_users.fits(str(uid), 1, self._limits.max_control_connections)",
        "uid < 0",
        OF_CONTROL,
    ),
)
