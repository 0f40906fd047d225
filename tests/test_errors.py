from __future__ import annotations

import pytest

from dsked import errors
from dsked.errors import (
    HTTP_STATUS,
    DskedError,
    ErrorCode,
    ExitStatus,
    HandshakeRefusedError,
    PeerError,
    RequestError,
    ServiceError,
    exit_status,
)


def tree(root: type[DskedError] = DskedError) -> list[type[DskedError]]:
    """The classes of the module; others may be imported by now that derive from them."""
    children = [child for child in root.__subclasses__() if child.__module__ == errors.__name__]
    return [root, *(kind for child in children for kind in tree(child))]


#: What the specification says of the codes; numbers are never reused or renumbered.
CODES = {
    "OK": 0, "PARTIAL": 1, "DONE": 2, "CONFLICT": 3, "NOT_OWNER": 4, "LIMIT": 5, "UNKNOWN_KEY": 6,
    "NOT_NAMED": 7, "DELIVERED": 8, "BAD_REQUEST": 9, "VERSION": 16, "WRONG_HUB": 17,
    "STREAM_UNKNOWN": 18, "REWIND": 19, "PSRD_MODE": 20, "POOL_EXHAUSTED": 21, "UNKNOWN_ENCRYPTOR": 32,
    "TOO_FEW_HUBS": 33, "RECONSTRUCTION": 34, "BAD_KEY_SIZE": 35, "BAD_KEY_ID": 36, "BAD_NUMBER": 37,
    "NOT_ALLOWED": 38, "SHUTTING_DOWN": 39, "PROTOCOL": 48, "CONFIGURATION": 49, "STORAGE": 50,
    "INTERNAL": 51,
}  # fmt: skip


def test_codes_keep_their_numbers() -> None:
    assert {code.name: int(code) for code in ErrorCode if code.name in CODES} == CODES
    assert all(0 <= code <= 0xFF for code in ErrorCode), "a byte on the wire"


def test_every_error_is_in_the_one_tree() -> None:
    declared = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)
    ]
    assert set(declared) <= set(tree())


def test_every_class_has_a_code_and_says_when_it_comes() -> None:
    for kind in tree():
        assert isinstance(kind.code, ErrorCode)
        assert kind.__doc__
        assert kind.code is not ErrorCode.OK


def test_no_two_errors_of_requests_share_a_code() -> None:
    """The control socket's client finds the class by the code."""
    kinds = [kind for root in (RequestError, ServiceError) for kind in tree(root)]
    assert len({kind.code for kind in kinds}) == len(kinds)


@pytest.mark.parametrize("kind", [kind for kind in tree(PeerError) if kind is not HandshakeRefusedError])
def test_what_the_peer_did_wrong_has_one_code(kind: type[DskedError]) -> None:
    assert kind.code is ErrorCode.PROTOCOL


def test_a_refused_handshake_carries_the_peers_reason() -> None:
    error = HandshakeRefusedError(int(ErrorCode.WRONG_HUB), "this hub is hank")
    assert (error.refusal, str(error)) == (ErrorCode.WRONG_HUB, "this hub is hank")


@pytest.mark.parametrize("kind", tree(RequestError))
def test_what_the_caller_did_wrong_is_his_in_http_and_not_to_be_tried_again(kind: type[DskedError]) -> None:
    assert HTTP_STATUS[kind.code] in (400, 401)
    assert exit_status(kind.code) is ExitStatus.REFUSED


@pytest.mark.parametrize("kind", [kind for kind in tree(ServiceError) if kind is not ServiceError])
def test_what_the_service_cannot_do_now_is_503(kind: type[DskedError]) -> None:
    assert HTTP_STATUS[kind.code] == 503
    assert exit_status(kind.code) is ExitStatus.FAILURE


def test_only_the_identity_of_the_caller_is_401() -> None:
    assert {code for code, status in HTTP_STATUS.items() if status == 401} == {
        ErrorCode.NOT_OWNER, ErrorCode.NOT_ALLOWED, ErrorCode.NOT_NAMED,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ErrorCode.CONFIGURATION, ExitStatus.USAGE),
        (ErrorCode.STORAGE, ExitStatus.FAILURE),
        (ErrorCode.INTERNAL, ExitStatus.FAILURE),
        (ErrorCode.PROTOCOL, ExitStatus.FAILURE),
        (ErrorCode.UNKNOWN_KEY, ExitStatus.REFUSED),
        (ErrorCode.TOO_FEW_HUBS, ExitStatus.FAILURE),
    ],
)
def test_exit_statuses(code: ErrorCode, status: ExitStatus) -> None:
    assert exit_status(code) is status


def test_no_error_exits_with_success() -> None:
    assert all(exit_status(code) != ExitStatus.OK for code in ErrorCode)
