"""OpenSSL's verdict on certificates that were shown before, by the CAs and lists that a context has now.

Their private key is not needed. In TLS 1.2 a client's Certificate message goes in clear, and is verified when
it arrives, before the signature that proves the key (RFC 5246, 7.3). A handshake in memory that goes just so
far is as strict as a real one: the same chains, names, lists and times.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

_HANDSHAKE, _CERTIFICATE = 22, 11  # RFC 5246, 6.2.1 (ContentType) and 7.4 (HandshakeType)
_TLS_1_2 = b"\x03\x03"
_INVALID_PURPOSE = 26  # X509_V_ERR_INVALID_PURPOSE
_MAX_RECORD_BYTES = 2**14  # RFC 5246, 6.2.1


def verify(context: ssl.SSLContext, chain: Sequence[bytes]) -> None:
    """What a server of `context` (TLS 1.2) says to a client that shows `chain` (DER, its own first).

    Raises ssl.SSLError where it would end the handshake: SSLCertVerificationError for what does not verify.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    for sent in (_client_hello(), b"".join(_records(_certificate_message(chain)))):
        incoming.write(sent)
        with contextlib.suppress(ssl.SSLWantReadError):
            server.do_handshake()


def is_for_servers(context: ssl.SSLContext, certificate: bytes) -> bool:
    """Whether clients take what a server of `context` shows, its own `certificate` (DER), for a server's.

    A handshake in memory with a client that trusts just it: OpenSSL looks at what a certificate is meant for
    before all else.
    """
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    client_context.load_verify_locations(cadata=certificate)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            return error.verify_code != _INVALID_PURPOSE
        except ssl.SSLError:
            break  # not about certificates
    return True


@cache
def _client_hello() -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def _certificate_message(chain: Iterable[bytes]) -> bytes:
    """RFC 5246, 7.4.2: lists and entries have their length before them, three bytes each."""
    return bytes([_CERTIFICATE]) + _counted(_counted(b"".join(map(_counted, chain))))


def _counted(data: bytes) -> bytes:
    return len(data).to_bytes(3) + data


def _records(message: bytes) -> Iterator[bytes]:
    for at in range(0, len(message), _MAX_RECORD_BYTES):
        part = message[at : at + _MAX_RECORD_BYTES]
        yield bytes([_HANDSHAKE]) + _TLS_1_2 + len(part).to_bytes(2) + part
