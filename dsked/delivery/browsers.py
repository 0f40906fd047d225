"""Requests that a browser sends for the pages of other sites are refused.

A browser runs programs of strangers, with reach of loopback and of the local network, and with the
user's client certificate:

- A page of another site has the browser send requests, though it cannot read the replies: keys would be
  made and thrown away. Browsers say so in Sec-Fetch-Site (Fetch Metadata), Origin (RFC 6454, section 7) or
  Referer, but not always: the first comes over loopback and TLS alone, the second not with every GET, and
  the third a page can leave out. So a browser that says nothing gets no key; for this server's own page it
  does say so.
- A page whose own name is made to point here (DNS rebinding) could read them too: for the browser it is one
  site. Only Host tells the two apart, for there it sends that name; over TLS the certificate does. `Host` may
  otherwise say anything, since some encryptors put an ID of theirs there: it is looked at where a browser has
  left its mark alone. The Fetch standard appends Accept-Language to every request, and no page can take it
  away. Some browsers leave it out. All call themselves Mozilla, but so do libraries of some encryptors: that
  counts over plain HTTP alone.
"""

from __future__ import annotations

import ipaddress

from aiohttp import web
from multidict import CIMultiDictProxy, istr

_SITE, _ORIGIN, _REFERER = istr("Sec-Fetch-Site"), istr("Origin"), istr("Referer")
_HOST, _LANGUAGE, _AGENT = istr("Host"), istr("Accept-Language"), istr("User-Agent")
#: What says which site asks; a page cannot make any of it say another.
_TELLING = (_SITE, _ORIGIN, _REFERER)
#: Only browsers send one of these, and nearly all of them.
_MARKS = (_LANGUAGE, *_TELLING)
#: What a page of this server itself asks for, and what a person has typed in the address bar.
_OWN_SITE = frozenset({"same-origin", "none"})

_Headers = CIMultiDictProxy[str]


def refuse_other_sites(request: web.BaseRequest) -> None:
    """Raise HTTPForbidden for a request that a browser sends for another site's page, and says so."""
    _check(request, keys=False)


def demand_own_site(request: web.BaseRequest) -> None:
    """Raise HTTPForbidden for a request that a browser does not send for this server's own page."""
    _check(request, keys=True)


def over_tls(request: web.BaseRequest) -> bool:
    """True on a connection that is secured."""
    transport = request.transport
    return transport is not None and transport.get_extra_info("ssl_object") is not None


def _check(request: web.BaseRequest, keys: bool) -> None:
    headers = request.headers
    agent = headers.get(_AGENT, "").startswith("Mozilla/")
    marked = any(mark in headers for mark in _MARKS)
    if not agent and not marked:
        return
    tls = over_tls(request)
    if not marked and tls:
        return
    if _is_of_another_site(headers):
        raise web.HTTPForbidden(reason="a page of another site may not ask for keys")
    if not tls and not _is_beyond_rebinding(headers.get(_HOST, "")):
        raise web.HTTPForbidden(
            reason="a browser is served at an address or at localhost alone, and this Host is another name"
        )
    if keys and agent and not any(field in headers for field in _TELLING):
        raise web.HTTPForbidden(
            reason="a browser gets keys for this server's own page alone, and does not say which page asks"
        )


def _is_of_another_site(headers: _Headers) -> bool:
    host = headers.get(_HOST, "").lower()
    if headers.get(_SITE, "none") not in _OWN_SITE:
        return True
    said = (headers[field] for field in (_ORIGIN, _REFERER) if field in headers)
    return any(url.lower().partition("://")[2].partition("/")[0] != host or not host for url in said)


def _is_beyond_rebinding(host: str) -> bool:
    """True for an address, and for the name that always stands for loopback (RFC 6761, 6.3)."""
    name = host.lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
