"""What formats are made of, and what has made their readers stumble: mutations put it anywhere."""

from __future__ import annotations

YAML = (
    b"hubs:\n", b"clients:\n", b"- name: ", b"    encryptors: ", b"  port: ", b"x_coordinate: ", b"host: ",
    b"users: [", b"groups: ", b"base_port: ", b"min_nr_shares: ", b"share_timeout_secs: ", b"psrd: ",
    b"etsi: off\n", b"state_dir: ", b"gate_keys: ", b"control_group: ", b"&a ", b"*a", b"<<: ", b"!!int ",
    b"!!float ", b"!!bool ", b"!!timestamp ", b"!!binary ", b"!!set ", b"!!omap ", b"!!pairs ", b"!!null ",
    b"!!str ", b"!!python/object ", b"? ", b"---\n", b"...\n", b"%YAML 9.9\n", b"%TAG ! x\n", b"| \n",
    b"> \n", b"'", b'"', b"\\u0000", b"\\ud800", b"\\x1b", b"[", b"]", b"{", b"}", b", ", b": ", b"#",
    b"2001-99-99", b"2001-01-01", b"0b", b"0x", b"0x" + b"f" * 5000, b"9" * 400, b"9" * 5000, b"1e999",
    b".inf", b".nan", b"1:2", b"_", b"~", b"null", b"yes", b"\t", b"\n", b"\r", b"\xc2\x85",
    b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xff\xfe", b"[" * 2000, b"{a: " * 300, b"- " * 300, b"~nobody/x",
    b"127.0.0.1", b"::1", b"0.0.0.0", b"localhost", b"simulated", b"media", b"etsi: {", b"skip: {",
    b"certificate: ", b"client_ca: ", b"sae_id_from: map", b"sae_ids: {", b"SHA256:", b"DNS:", b"URI:",
    b"minimum_tls: ", b"skip_port: ", b"system_id: ", b"stored_keys: [", b"responder: ", b"psk_file: ",
)  # fmt: skip

OPTIONS = (
    b"\0", b"\0--hubs\0", b"\0--encryptors\0", b"\0--port\0", b"\0--host\0", b"\0--role\0",
    b"\0--psrd\0media\0", b"\0--min-nr-shares\0", b"\0--share-timeout-secs\0", b"\0--state-dir\0~nobody\0",
    b"\0--config\0x\0", b"\0--gate-keys\0x\0", b"\0--\0", b"\0-", b"\0--version\0", b"\0-h\0",
    b"\0--etsi-certificate\0x", b"\0--etsi-sae-id\0", b"\0--skip-port\0", b"\0--skip-system-id\0",
    b"\0--stored-keys\0a:b:1:128",
    b"=127.0.0.1:1", b",x=", b"[::1]", b"nan", b"inf", b"1e400", b"9" * 5000, b"-1", b"\xff",
    b"\xed\xa0\x80", b"\n", b"\x1b[2J", b"\xd9\xa3",
)  # fmt: skip

JSON = (
    b"{", b"}", b"[", b"]", b":", b",", b"null", b"true", b"1e400", b"-1", b"1.0", b"9" * 400, b"9" * 5000,
    b"[" * 2000, b'{"":' * 2000, b'"\\ud800"', b'"\\u0000"', b'"\\u001b[2J"', b"\xff", b"\xef\xbb\xbf",
    b"NaN", b'"number":', b'"size":', b'"additional_slave_SAE_IDs":', b'"extension_mandatory":',
    b'"extension_optional":', b'"key_IDs":', b'"key_ID":', b'"message":', b'"details":', b'"keys":',
    b'"key":',
)  # fmt: skip

GATE_KEYS = (
    b'"version": ', b'"pairs": ', b'"a/b": ', b"{", b"}", b"[" * 2000, b'{"":' * 2000, b"9" * 5000,
    b"\\ud800", b"null", b"true", b"1e999", b"NaN", b"\xff\xfe", b"\xef\xbb\xbf", b'"carol/hank": "00",',
    b"1.0",
)  # fmt: skip

QUERY = (
    b"number=", b"&size=", b"key_ID=", b"&", b"=", b";", b"%00", b"%ff", b"%ed%a0%80", b"%1b", b"+",
    b"9" * 400, b"9" * 18, b"-", b"%d9%a3",
)  # fmt: skip

NAMES = (
    b"%00", b"%ff", b"%ed%a0%80", b"%1b", b"\xc2\x85", b"\xe2\x80\xae", b"a" * 130,
)  # fmt: skip

HTTP = (
    *JSON, b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 ", b"HTTP/9.9 ", b"\r\n", b"Content-Length: ", b"-1",
    b"9" * 30, b"Transfer-Encoding: chunked\r\n", b"fffffffffffffffffff\r\n", b"0\r\n\r\n", b"-1\r\n",
    b"Connection: close\r\n", b"a: b\r\n" * 101, b"a" * 7000, b"100 Continue",
)  # fmt: skip

STATUS = (
    b'"status":', b"{", b"}", b"[", b"null", b'"\\ud800"', b"[" * 2000, b"9" * 5000,
)  # fmt: skip

VERSION = (
    b"dsked state ", b"\n", b"client ", b"hub ", b"carol", b"\x1b[", b"\xc2\x85",
)  # fmt: skip
