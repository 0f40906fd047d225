"""What went wrong in a TLS handshake, in words that tell whose mistake it is."""

from __future__ import annotations

import re
import ssl

#: By OpenSSL's result of verification (X509_V_ERR_*): what is wrong with a client's certificate, {0}.
_VERIFICATION = {
    2: "{0} comes from an unknown CA",
    3: "the file of revocation lists has none of {0}'s CA",
    7: "{0} names a known CA, which has not signed it",
    9: "{0} is not valid yet",
    10: "{0} has expired",
    11: "the revocation list of {0}'s CA is not valid yet",
    12: "the revocation list of {0}'s CA has expired",
    18: "{0} is self-signed, and no known CA",
    19: "{0} comes from an unknown CA",
    20: "{0} comes from an unknown CA",
    21: "{0} comes from an unknown CA",
    23: "{0} is revoked",
    26: "{0} is not meant for TLS clients",
}

#: By OpenSSL's reason.
_REASONS = {
    "HTTP_REQUEST": "it speaks plain HTTP: expected HTTPS",
    "WRONG_VERSION_NUMBER": "it does not speak TLS",
    "UNSUPPORTED_PROTOCOL": "its TLS is too old for minimum_tls",
    "NO_SHARED_CIPHER": "it offers no cipher suite of ours",
    # TLS-PSK.
    "PSK_IDENTITY_NOT_FOUND": "its PSK identity is not in the file of pre-shared keys",
    "BINDER_DOES_NOT_VERIFY": "its pre-shared key is not the one in our file",
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": "its first encrypted record is wrong: with TLS-PSK, another key",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "it takes none of our certificates, or names no PSK identity of ours",
}
_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED, of any certificate of a chain
_ALERT = re.compile(r"(?:SSLV3|TLSV1|TLSV13)_ALERT_(\w+)")


def reason(error: ssl.SSLError, valid: bool = False) -> str:
    """Why a handshake failed. There are few of them, and fixed: OpenSSL's. `valid`: see `of_certificate`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return of_certificate(error, "its certificate", valid)
    code = error.reason or "unknown error"
    alert = _ALERT.fullmatch(code)
    if alert is not None:
        return f"it ended the handshake with the alert {alert[1].lower()}: see what its own log says"
    return _REASONS.get(code) or code.lower().replace("_", " ")


def of_certificate(error: ssl.SSLCertVerificationError, certificate: str, valid: bool = False) -> str:
    """What is wrong with `certificate`, as the reader knows it. `valid`: its own time is not over."""
    if valid and error.verify_code == _EXPIRED:
        return f"a CA of {certificate} has expired"
    known = _VERIFICATION.get(error.verify_code)
    return known.format(certificate) if known else f"{certificate} does not verify: {error.verify_message}"
