-- DSKE version 1 for Wireshark and tshark, written from proto/ alone: docs/wireshark.md tells how to use it.
--
-- It shows what travels in clear. Shares lie under pads, sealed and wrapped pieces under keys that no capture
-- holds: they are shown as bytes, never decoded, and no tag can be checked here.
--
-- A capture may hold anything. Bodies are read by tables (MESSAGES, below) whose depth is fixed, every length
-- is checked before what it counts is read, and what does not fit ends as expert information of its piece.
-- For Lua 5.2 (Wireshark 4.0) to 5.4 (Wireshark 4.4).

local dske = Proto("dske", "Distributed Symmetric Key Establishment")

-- --- Numbers of the protocol: proto/specification.md, proto/frames.md, proto/wrapping.md ------------------

local LENGTH_BYTES = 4
local MAX_HANDSHAKE_BYTES = 512
local MAX_FRAME_BYTES = 393216
local MAX_PAD_BYTES = 262144
local MAX_KEYS = 1024
local MAX_NAMES = 8192
local MAX_NODE_NAME_BYTES = 64
local MAX_ENCRYPTOR_NAME_BYTES = 128
local MAX_RESPONDERS = 32
local MAX_HUBS = 255
local MAX_KEY_BYTES = 2097152
local MAX_ADDITIONS = 8
local KEY_ID_BYTES = 16
local LONG_KEY_BYTES = 1024 -- the code shares of longer keys have a third part
local MASK_BYTES = 16 -- what every frame takes from its pool, before its pads
local PROOF_BYTES = 48 -- what M3 and M4 take
local TAG_BYTES = 16
local BODY_AT = 39 -- offset of the body in a frame
local FRAME_REST_BYTES = 53 -- a frame's length beyond its body
local WRAPPED_REST_BYTES = 6 + TAG_BYTES -- a wrapped piece's length beyond the frame that it holds
local WRAPPING_KEY_BYTES = 32
local MAX_CIPHERS = 16
local UINT8, UINT32 = 255, 4294967295

local CODES = {
    [0] = "OK", [1] = "PARTIAL", [2] = "DONE", [3] = "CONFLICT", [4] = "NOT_OWNER", [5] = "LIMIT",
    [6] = "UNKNOWN_KEY", [7] = "NOT_NAMED", [8] = "DELIVERED", [9] = "BAD_REQUEST", [16] = "VERSION",
    [17] = "WRONG_HUB", [18] = "STREAM_UNKNOWN", [19] = "REWIND", [20] = "PSRD_MODE", [21] = "POOL_EXHAUSTED",
    [22] = "WRAPPING", [32] = "UNKNOWN_ENCRYPTOR", [33] = "TOO_FEW_HUBS", [34] = "RECONSTRUCTION",
    [35] = "BAD_KEY_SIZE", [36] = "BAD_KEY_ID", [37] = "BAD_NUMBER", [38] = "NOT_ALLOWED",
    [39] = "SHUTTING_DOWN", [48] = "PROTOCOL", [49] = "CONFIGURATION", [50] = "STORAGE", [51] = "INTERNAL",
}
local SHUTTING_DOWN = 39
-- Codes of single keys that come up without a fault.
local NO_FAULT = { [0] = true, [1] = true, [2] = true }
local ORDINARY = { [6] = true, [8] = true, [39] = true }

local NEXT, WRAPPING, LOCAL_IDENTIFIERS = 1, 2, 3
local ADDITIONS = { [NEXT] = "NEXT", [WRAPPING] = "WRAPPING", [LOCAL_IDENTIFIERS] = "LOCAL_IDENTIFIERS" }
local CIPHERS = { [1] = "ChaCha20-Poly1305" }
local SENDER = { C = "client", H = "hub" }
local POOLS = { [0] = "client pool", [1] = "hub pool" }

local TYPE_NAMES = {
    [0x01] = "REGISTER", [0x02] = "REGISTERED", [0x03] = "UNREGISTER", [0x04] = "PING", [0x05] = "ERROR",
    [0x06] = "WRAP", [0x07] = "NAMES", [0x08] = "PSRD_REQUEST", [0x09] = "PSRD_BLOCK", [0x10] = "PUT_SHARES",
    [0x11] = "PUT_SHARES_ACK", [0x12] = "GET_SHARES", [0x13] = "SHARES", [0x18] = "LOCATE", [0x19] = "LOCATED",
}

-- --- Fields and expert information ----------------------------------------------------------------------

local F, LABELS = {}, {}
local function define(kind, name, label, ...)
    LABELS[name] = label
    F[name] = ProtoField[kind]("dske." .. name, label, ...)
end

define("string", "direction", "Direction")
define("string", "piece", "Piece")
define("string", "client", "Client")
define("string", "hub", "Hub")
define("uint32", "length", "Length")
-- Of handshake messages
define("string", "magic", "Magic")
define("uint8", "version", "Version")
define("bytes", "nonce", "Nonce")
define("bytes", "boot_id", "Boot ID")
define("bytes", "proved_boot", "Boot ID that proved itself last")
define("uint8", "flags", "Flags", base.HEX)
define("bool", "flags.just_started", "JUST_STARTED", 8, nil, 1)
define("bool", "flags.simulated", "SIMULATED", 8, nil, 2)
define("bool", "flags.begin_anew", "BEGIN_ANEW", 8, nil, 4)
define("none", "holdings", "Holdings")
define("bytes", "client_stream", "Stream of the client pool")
define("bytes", "hub_stream", "Stream of the hub pool")
define("uint64", "client_end", "End of the client pool")
define("uint64", "hub_end", "End of the hub pool")
define("uint64", "exact_mark", "Exact mark on the other side's pool")
define("uint64", "durable_mark", "Durable mark on the other side's pool")
define("uint32", "max_pads", "Most pads of one frame")
define("none", "additions", "Optional fields")
define("uint32", "addition", "Number", base.DEC, ADDITIONS)
define("bytes", "addition.value", "Value")
define("uint64", "next", "Own next on the own pool")
define("uint8", "cipher", "Cipher", base.DEC, CIPHERS)
define("bytes", "mac", "MAC (under the gate key; not checked here)")
-- Of frames
define("uint8", "type", "Type", base.HEX, TYPE_NAMES)
define("uint32", "request_id", "Request id")
define("uint64", "position", "Position in the sender's pool")
define("uint64", "end", "Position behind it")
define("uint64", "skipped", "Pool bytes skipped before it")
define("uint32", "pads", "Pads")
define("uint64", "ack", "Ack: the sender's durable mark on the other pool")
define("bytes", "body", "Body")
define("bytes", "tag", "Tag (not checked here)")
-- Of messages
define("none", "group", "Group")
define("none", "done", "Confirmed")
define("none", "missing", "Missing")
define("none", "party", "Responder")
define("none", "definition", "Definition")
define("string", "encryptor", "Encryptor")
define("string", "refused", "Refused encryptor")
define("string", "initiator", "Initiator")
define("string", "initiator_client", "Client of the initiator")
define("string", "responder", "Responder")
define("string", "responder_client", "Client of the responder")
define("string", "located", "Client of the encryptor")
define("uint32", "identifier", "Local identifier")
define("string", "name", "Name")
define("uint8", "code", "Code", base.DEC, CODES)
define("string", "reason", "Reason")
define("uint32", "share_timeout", "Shares are kept for (ms)")
define("bool", "reply", "Reply")
define("uint8", "n", "n, number of hubs")
define("uint8", "k", "k, shares that rebuild")
define("uint32", "ttl", "Time to live (ms)")
define("uint32", "key_bytes", "Key length (bytes)")
define("string", "key_id", "Key ID")
define("uint32", "keys", "Keys")
define("uint32", "offset", "Offset in the share")
define("uint32", "wait", "May wait (ms)")
define("bytes", "shares", "Shares, under pads")
define("bytes", "codes", "Code shares, under pads")
define("bytes", "result", "Results")
define("uint8", "owner", "Pool", base.DEC, POOLS)
define("bytes", "stream", "Stream")
define("uint32", "sequence", "Sequence number")
define("uint32", "size", "Size (bytes)")
-- Of sealed and wrapped pieces
define("bytes", "sealed", "Sealed under the gate key")
define("uint32", "sealed.counter", "Counter")
define("uint32", "sealed.bytes", "Bytes of the body inside")
define("bytes", "sealed.tag", "Tag of the seal (not checked here)")
define("bytes", "wrapped", "Wrapped under a key from the pool")
define("uint32", "wrapped.counter", "Counter")
define("uint32", "wrapped.bytes", "Bytes of the frame inside")
define("bytes", "wrapped.tag", "Tag of the wrapping (not checked here)")
-- Of requests
F["request_in"] = ProtoField.framenum("dske.request_in", "Request in", base.NONE, frametype.REQUEST)
F["response_in"] = ProtoField.framenum("dske.response_in", "Answer in", base.NONE, frametype.RESPONSE)
define("relative_time", "time", "Time since the request")

local E = {}
local function expert_field(name, label, group, severity)
    E[name] = ProtoExpert.new("dske." .. name, label, group, severity)
end

expert_field("malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR)
expert_field("cut", "Captured in part", expert.group.UNDECODED, expert.severity.NOTE)
expert_field("refusal", "The hub refuses the handshake", expert.group.RESPONSE_CODE, expert.severity.WARN)
expert_field("error", "The request failed", expert.group.RESPONSE_CODE, expert.severity.WARN)
expert_field("drains", "The hub drains", expert.group.RESPONSE_CODE, expert.severity.NOTE)
expert_field("failure", "Failed", expert.group.RESPONSE_CODE, expert.severity.WARN)
expert_field("not_final", "Not given", expert.group.RESPONSE_CODE, expert.severity.NOTE)
expert_field("terms", "Breaks a rule of messages.md", expert.group.PROTOCOL, expert.severity.WARN)
expert_field("identifier_fault", "Local identifier", expert.group.PROTOCOL, expert.severity.WARN)
expert_field("unknown", "Not known here", expert.group.UNDECODED, expert.severity.NOTE)
expert_field("out_of_place", "Out of place", expert.group.SEQUENCE, expert.severity.WARN)
expert_field("replay", "Begins below what was used", expert.group.SEQUENCE, expert.severity.WARN)
expert_field("unmatched", "No such request", expert.group.SEQUENCE, expert.severity.NOTE)

dske.fields = F
dske.experts = E

-- --- Canonical msgpack ----------------------------------------------------------------------------------
-- A cursor `c` reads `c.bytes`, a whole piece, from offset `c.at` up to `c.stop`; `c.tvb` has the same bytes.

local Refused = {}

-- Gives up the piece: dissect_piece makes expert information of it.
local function refuse(at, why, ...)
    error(setmetatable({ at = at, why = why:format(...) }, Refused), 0)
end

-- The offset of the next `count` bytes, which are then read.
local function take(c, count)
    local at = c.at
    if count > c.stop - at then
        refuse(at, "%s bytes are needed here, and %d are left", tostring(count), c.stop - at)
    end
    c.at = at + count
    return at
end

local function big_endian(bytes, at, width)
    local value = 0
    for place = at + 1, at + width do
        value = value * 256 + bytes:byte(place)
    end
    return value
end

-- By first byte: kind, bytes of the number that follows, and the least number for which this form is the shortest.
local FORMS = {
    [0xc4] = { "bin", 1, 0 }, [0xc5] = { "bin", 2, 0x100 }, [0xc6] = { "bin", 4, 0x10000 },
    [0xcc] = { "uint", 1, 0x80 }, [0xcd] = { "uint", 2, 0x100 }, [0xce] = { "uint", 4, 0x10000 },
    [0xd9] = { "str", 1, 0x20 }, [0xda] = { "str", 2, 0x100 }, [0xdb] = { "str", 4, 0x10000 },
    [0xdc] = { "array", 2, 0x10 }, [0xdd] = { "array", 4, 0x10000 },
    [0xde] = { "map", 2, 0x10 }, [0xdf] = { "map", 4, 0x10000 },
    [0xc0] = { "nil" }, [0xc2] = { "bool" }, [0xc3] = { "bool" },
}

-- Reads a head of several bytes, shortest form only. A uint of 8 bytes has no number here: it is too large for one.
local function long_head(c, at, byte)
    if byte == 0xcf then
        local place = take(c, 8)
        if c.bytes:sub(place + 1, place + 4) == "\0\0\0\0" then refuse(at, "is not in its shortest form") end
        return "uint", nil, place, 8
    end
    local form = FORMS[byte] or refuse(at, "no value of DSKE begins with 0x%02x", byte)
    if not form[2] then return form[1], byte, at, 1 end
    local place = take(c, form[2])
    local number = big_endian(c.bytes, place, form[2])
    if number < form[3] then refuse(at, "is not in its shortest form") end
    return form[1], number, place, form[2]
end

-- Reads one head: its kind, its number (the value, or how many bytes or items follow), and where that stands.
local function read_head(c)
    local at = take(c, 1)
    local byte = c.bytes:byte(at + 1)
    if byte < 0x80 then return "uint", byte, at, 1 end
    if byte < 0x90 then return "map", byte - 0x80, at, 1 end
    if byte < 0xa0 then return "array", byte - 0x90, at, 1 end
    if byte < 0xc0 then return "str", byte - 0xa0, at, 1 end
    return long_head(c, at, byte)
end

-- Reads the head of a `kind` with a number from `least` to `most`: the number, and where it stands.
local function expect(c, kind, least, most, what)
    local at = c.at
    local found, number, place, width = read_head(c)
    if found ~= kind then refuse(at, "%s: %s stands where %s belongs", what, found, kind) end
    if not number or number < least or number > most then
        refuse(at, "%s: %s is not within %d to %d", what, tostring(number or "uint64"), least, most)
    end
    return number, place, width
end

-- The least and the greatest second byte after some lead bytes of UTF-8 (RFC 3629); 0x80 to 0xbf otherwise.
local SECOND = { [0xe0] = { 0xa0, 0xbf }, [0xed] = { 0x80, 0x9f }, [0xf0] = { 0x90, 0xbf }, [0xf4] = { 0x80, 0x8f } }
local ANY_SECOND = { 0x80, 0xbf }

local function utf8_size(lead)
    if lead < 0x80 then return 1 end
    if lead >= 0xc2 and lead <= 0xdf then return 2 end
    if lead >= 0xe0 and lead <= 0xef then return 3 end
    if lead >= 0xf0 and lead <= 0xf4 then return 4 end
end

local function is_utf8(text)
    local place = 1
    while place <= #text do
        local lead = text:byte(place)
        local size = utf8_size(lead)
        if not size then return false end
        for follower = 1, size - 1 do
            local limits = follower == 1 and SECOND[lead] or ANY_SECOND
            local byte = text:byte(place + follower)
            if not byte or byte < limits[1] or byte > limits[2] then return false end
        end
        place = place + size
    end
    return true
end

-- Reads `size` bytes: as a string, and their range.
local function read_bytes(c, size)
    local at = take(c, size)
    return c.bytes:sub(at + 1, at + size), c.tvb(at, size)
end

-- --- Readers: what a field is, as a function of cursor and tree that shows the value and gives it ---------

local function number(name, most)
    return function(c, tree)
        local value, at, width = expect(c, "uint", 0, most, name)
        return value, tree:add(F[name], c.tvb(at, width))
    end
end

local function uint64(name)
    return function(c, tree)
        local at = c.at
        local kind, _, place, width = read_head(c)
        if kind ~= "uint" then refuse(at, "%s: %s stands where uint belongs", name, kind) end
        local range = c.tvb(place, width)
        tree:add(F[name], range)
        return range:uint64()
    end
end

local function text(name, least, most)
    return function(c, tree)
        local at = c.at
        local value, range = read_bytes(c, (expect(c, "str", least, most, name)))
        if not is_utf8(value) then refuse(at, "%s: is no valid UTF-8", name) end
        return value, tree:add_packet_field(F[name], range, ENC_UTF_8)
    end
end

local function node_name(name) return text(name, 1, MAX_NODE_NAME_BYTES) end
local function encryptor_name(name) return text(name, 1, MAX_ENCRYPTOR_NAME_BYTES) end

local function binary(name, least, most)
    return function(c, tree)
        local value, range = read_bytes(c, (expect(c, "bin", least, most, name)))
        local item = tree:add(F[name], range)
        if value == "" then item:set_text(LABELS[name] .. ": empty") end
        return value, item
    end
end

local function bin16(name) return binary(name, 16, 16) end

-- A bin that is XORed with pads: its bytes tell nothing.
local function secret(name)
    local read = binary(name, 0, MAX_PAD_BYTES)
    return function(c, tree)
        local value, item = read(c, tree)
        c.secret_bytes = c.secret_bytes + #value
        if value ~= "" then item:append_text((" (%d bytes)"):format(#value)) end
        return value
    end
end

local function flag(name)
    return function(c, tree)
        local at = c.at
        local kind, byte = read_head(c)
        if kind ~= "bool" then refuse(at, "%s: %s stands where bool belongs", name, kind) end
        tree:add(F[name], c.tvb(at, 1), byte == 0xc3)
        return byte == 0xc3
    end
end

local function uuid(bytes)
    local hex = bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
    return (hex:gsub("^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)", "%1-%2-%3-%4-"))
end

-- Whole key IDs, one behind the other: a list of UUIDs.
local function key_ids(c, tree)
    local at = c.at
    local size = expect(c, "bin", KEY_ID_BYTES, KEY_ID_BYTES * MAX_KEYS, "key IDs")
    if size % KEY_ID_BYTES ~= 0 then refuse(at, "a column of key IDs of %d bytes", size) end
    local ids = {}
    for place = 1, size / KEY_ID_BYTES do
        local id, range = read_bytes(c, KEY_ID_BYTES)
        ids[place] = uuid(id)
        tree:add(F.key_id, range, ids[place])
    end
    return ids
end

local function code_name(value) return CODES[value] or tostring(value) end

-- `what`: what a code other than OK and its like stands for; nil where its message says that as a whole.
local function judge(item, value, what)
    if not CODES[value] then item:add_proto_expert_info(E.unknown, "A code that is not known here") end
    if what and not NO_FAULT[value] then
        local kind = ORDINARY[value] and E.not_final or E.failure
        item:add_proto_expert_info(kind, what .. ": " .. code_name(value))
    end
end

local function code(what)
    local read = number("code", UINT8)
    return function(c, tree)
        local value, item = read(c, tree)
        judge(item, value, what)
        return value
    end
end

-- The field's place in the bytes is known once it has been read.
local function branch_of(c, tree, name)
    return tree:add(F[name], c.tvb(c.at, c.stop - c.at)), c.at
end

-- An array of exactly these {name, reader}: a table of what they gave. `check` is asked about it.
local function record(name, fields, check)
    return function(c, tree)
        local branch, start = tree, c.at
        if name then branch = branch_of(c, tree, name) end
        local count = expect(c, "array", 0, UINT32, name or "message")
        if count ~= #fields then refuse(start, "%d fields stand where %d belong", count, #fields) end
        local value = {}
        for place = 1, #fields do
            value[fields[place][1]] = fields[place][2](c, branch)
        end
        if name then branch:set_len(c.at - start) end
        if check then check(c, value, branch) end
        return value
    end
end

local function list(what, least, most, element)
    return function(c, tree)
        local values = {}
        for place = 1, (expect(c, "array", least, most, what)) do
            values[place] = element(c, tree) or false
        end
        return values
    end
end

-- --- Names that travel as local identifiers: proto/messages.md --------------------------------------------

local function named(c, name, identifier, item)
    local defined = c.connection.names[identifier]
    local known = defined and defined.since <= c.number and defined.name
    if known then
        item:add(F[name], known):set_generated()
    elseif c.connection.whole then
        item:add_proto_expert_info(E.identifier_fault, "This identifier was not defined in this session")
    end
    c.unresolved = c.unresolved or not known
    return known or ("client " .. identifier)
end

-- A client's name, or the identifier that the hub has defined for it.
local function client(name)
    local read_name, read_identifier = node_name(name), number("identifier", UINT32)
    return function(c, tree)
        local byte = c.at < c.stop and c.bytes:byte(c.at + 1) or 0xa0
        if byte < 0x80 or byte >= 0xcc and byte <= 0xcf then
            local identifier, item = read_identifier(c, tree)
            return named(c, name, identifier, item)
        end
        return (read_name(c, tree))
    end
end

local function client_or_nil(name)
    local read = client(name)
    return function(c, tree)
        if c.at < c.stop and c.bytes:byte(c.at + 1) == 0xc0 then
            tree:add(F[name], c.tvb(take(c, 1), 1), "(none known)")
            return false
        end
        return read(c, tree)
    end
end

-- --- Messages: proto/messages.md --------------------------------------------------------------------------

local function count_keys(groups)
    local count = 0
    for place = 1, #groups do
        count = count + #groups[place].key_ids
    end
    return count
end

local function breaks_rule(tree, ...)
    tree:add_proto_expert_info(E.terms, (...):format(select(2, ...)))
end

-- 32 bytes of codes for each client, 48 of long keys: `clients` of them for each key.
local function check_columns(value, tree, clients)
    local keys, shares = #value.key_ids, #value.shares
    local codes = value.key_bytes > LONG_KEY_BYTES and 48 or 32
    local whole = value.offset == 0 and shares == keys * value.key_bytes
    local piece = keys == 1 and shares > 0 and value.offset + shares <= value.key_bytes
    if not (whole or piece) then breaks_rule(tree, "%d bytes of shares for %d keys", shares, keys) end
    local wanted = value.offset == 0 and keys * clients * codes or 0
    if #value.codes ~= wanted then
        breaks_rule(tree, "%d bytes of code shares stand where %d belong", #value.codes, wanted)
    end
end

-- The number of responder clients. Parties are sorted by client, then by encryptor.
local function check_parties(c, value, tree)
    local clients, last = 0, nil
    for _, party in ipairs(value.responders) do
        if not last or party.client ~= last.client then clients = clients + 1 end
        local same = last and party.client == last.client
        if same and party.encryptor <= last.encryptor or last and not c.unresolved and party.client < last.client then
            breaks_rule(tree, "The responders are not in order")
        end
        last = party
    end
    return clients
end

local function check_terms(c, value, tree)
    if value.k < 2 or value.k > value.n then breaks_rule(tree, "k is %d and n is %d", value.k, value.n) end
    return check_parties(c, value, tree)
end

local function check_put_group(c, value, tree)
    check_columns(value, tree, check_terms(c, value, tree))
end

local function check_share_group(c, value, tree)
    check_terms(c, value, tree)
    check_columns(value, tree, 1)
end

local function hub_count(name)
    local read = number(name, MAX_HUBS)
    return function(c, tree)
        local at, value = c.at, read(c, tree)
        if value == 0 then refuse(at, "%s is 0", name) end
        return value
    end
end

local function key_length(c, tree)
    local value, at, width = expect(c, "uint", 1, MAX_KEY_BYTES, "key length")
    tree:add(F.key_bytes, c.tvb(at, width))
    return value
end

local PARTY = record("party", {
    { "client", client("responder_client") }, { "encryptor", encryptor_name("responder") },
})
local RESPONDERS = list("responders", 1, MAX_RESPONDERS, PARTY)
local COLUMNS = {
    { "key_ids", key_ids }, { "offset", number("offset", UINT32) },
    { "shares", secret("shares") }, { "codes", secret("codes") },
}

local function with_columns(fields)
    for place = 1, #COLUMNS do
        fields[#fields + 1] = COLUMNS[place]
    end
    return fields
end

local PUT_GROUP = record("group", with_columns({
    { "initiator", encryptor_name("initiator") }, { "responders", RESPONDERS },
    { "n", hub_count("n") }, { "k", hub_count("k") }, { "ttl", number("ttl", UINT32) },
    { "key_bytes", key_length },
}), check_put_group)

-- The initiator of a share: a party of other names than those of responders.
local INITIATOR = record(nil, {
    { "client", client("initiator_client") }, { "encryptor", encryptor_name("initiator") },
})
local SHARE_GROUP = record("group", with_columns({
    { "initiator", INITIATOR }, { "responders", RESPONDERS },
    { "n", hub_count("n") }, { "k", hub_count("k") }, { "key_bytes", key_length },
}), check_share_group)

local GET_GROUP = record("group", {
    { "initiator", client("initiator_client") }, { "key_ids", key_ids }, { "offset", number("offset", UINT32) },
})
local MISSING = record("missing", {
    { "initiator", client("initiator_client") }, { "code", code("No share") }, { "key_ids", key_ids },
})
local CONFIRMED = record("done", { { "initiator", client("initiator_client") }, { "key_ids", key_ids } })
local DONE = list("confirmations", 0, MAX_KEYS, CONFIRMED)

local function define_identifier(c, value, tree)
    if c.direction ~= "H" then return end
    local names, numbers = c.connection.names, c.connection.numbers
    local known = names[value.identifier]
    if known and known.name ~= value.name then
        tree:add_proto_expert_info(E.identifier_fault, "This identifier has another name already")
    elseif numbers[value.name] and numbers[value.name] ~= value.identifier then
        tree:add_proto_expert_info(E.identifier_fault, "This name has another identifier already")
    elseif not known then
        names[value.identifier] = { name = value.name, since = c.number }
        numbers[value.name] = value.identifier
    end
end

local DEFINITION = record("definition", {
    { "identifier", number("identifier", UINT32) }, { "name", node_name("name") },
}, define_identifier)

-- Beside each result the key that it is about, where the capture holds the request.
local function results(c, tree)
    local size = expect(c, "bin", 0, MAX_KEYS, "codes")
    local asked, at = c.facts.asked, c.at
    local found, branch = {}, tree:add(F.result, c.tvb(at, math.min(size, c.stop - at)))
    for place = 1, size do
        local value, range = read_bytes(c, 1)
        found[place] = value:byte()
        local item = branch:add(F.code, range)
        judge(item, found[place], "The key's share")
        if asked and asked.keys[place] then item:add(F.key_id, asked.keys[place]):set_generated() end
    end
    return found
end

-- Beside each client the encryptor that was asked for, where the capture holds the request.
local function located(c, tree)
    local asked, place = c.facts.asked, 0
    local read = client_or_nil("located")
    local function one(cursor, branch)
        place = place + 1
        local encryptor = asked and asked.encryptors[place]
        if encryptor then branch:add(F.encryptor, encryptor):set_generated() end
        return read(cursor, branch)
    end
    return list("clients", 0, MAX_KEYS, one)(c, tree)
end

local function plural(count, what) return ("%d %s%s"):format(count, what, count == 1 and "" or "s") end

-- What others wrote, for a line of the packet list.
local function one_line(said) return (said:gsub("[%c\127]", "?")) end

local function some(values)
    local first = {}
    for place = 1, math.min(#values, 3) do
        first[place] = one_line(tostring(values[place] or "-"))
    end
    if #values > 3 then first[4] = ("... (%d)"):format(#values) end
    return table.concat(first, ", ")
end

-- A line of what there is to say: nil and the empty string are left out.
local function joined(...)
    local said = {}
    for place = 1, select("#", ...) do
        local one = (select(place, ...))
        if one and one ~= "" then said[#said + 1] = one end
    end
    return table.concat(said, ", ")
end

local function confirmed_info(value)
    return #value.done > 0 and ("confirms " .. plural(count_keys(value.done), "key"))
end

-- How often each code stands there.
local function codes_info(values)
    local counts, order = {}, {}
    for _, value in ipairs(values) do
        if not counts[value] then order[#order + 1] = value end
        counts[value] = (counts[value] or 0) + 1
    end
    for place, value in ipairs(order) do
        order[place] = code_name(value) .. (counts[value] > 1 and " x " .. counts[value] or "")
    end
    return table.concat(order, ", ")
end

local function missing_info(value)
    if #value.missing == 0 then return nil end
    local codes = {}
    for place, one in ipairs(value.missing) do
        codes[place] = one.code
    end
    return ("%d missing: %s"):format(count_keys(value.missing), codes_info(codes))
end

local function error_seen(c, value, tree)
    if value.code == SHUTTING_DOWN and c.request_id == 0 then
        tree:add_proto_expert_info(E.drains, "The hub drains: it stores no further share")
    else
        local said = "The request failed: " .. joined(code_name(value.code), one_line(value.reason))
        tree:add_proto_expert_info(E.error, said)
    end
end

-- By type: `from` whom (both where nothing stands there), the type of its answer, its fields, and its line.
local MESSAGES = {
    [0x01] = {
        from = "C", answer = 0x02,
        body = record(nil, { { "encryptors", list("encryptors", 0, MAX_NAMES, encryptor_name("encryptor")) } }),
        info = function(value) return some(value.encryptors) end,
    },
    [0x02] = {
        from = "H",
        body = record(nil, {
            { "code", code("Registration") }, { "refused", list("refused", 0, MAX_NAMES, encryptor_name("refused")) },
            { "share_timeout", number("share_timeout", UINT32) },
        }),
        info = function(value) return joined(code_name(value.code), some(value.refused)) end,
    },
    [0x03] = { from = "C", body = record(nil, {}) },
    [0x04] = {
        answer = 0x04,
        body = record(nil, {
            { "reply", flag("reply") }, { "client_end", uint64("client_end") }, { "hub_end", uint64("hub_end") },
            { "done", DONE },
        }),
        info = function(value) return joined(value.reply and "reply", confirmed_info(value)) end,
    },
    [0x05] = {
        body = record(nil, { { "code", code() }, { "reason", text("reason", 0, 256) } }, error_seen),
        info = function(value) return joined(code_name(value.code), one_line(value.reason)) end,
    },
    [0x06] = { wraps = true, unasked = true, body = record(nil, {}) },
    [0x07] = {
        from = "H", unasked = true, addition = LOCAL_IDENTIFIERS,
        body = record(nil, { { "names", list("names", 1, MAX_KEYS, DEFINITION) } }),
        info = function(value)
            local told = {}
            for place, one in ipairs(value.names) do
                told[place] = one.identifier .. " = " .. one.name
            end
            return some(told)
        end,
    },
    [0x08] = { from = "C", answer = 0x09, sealed = true },
    [0x09] = { from = "H", sealed = true },
    [0x10] = {
        from = "C", answer = 0x11,
        body = record(nil, { { "groups", list("groups", 1, MAX_KEYS, PUT_GROUP) } }),
        info = function(value) return plural(count_keys(value.groups), "key") end,
    },
    [0x11] = {
        from = "H",
        body = record(nil, { { "codes", results } }),
        info = function(value) return codes_info(value.codes) end,
    },
    [0x12] = {
        from = "C", answer = 0x13,
        body = record(nil, {
            { "groups", list("groups", 0, MAX_KEYS, GET_GROUP) }, { "wait", number("wait", UINT32) }, { "done", DONE },
        }),
        info = function(value) return joined(plural(count_keys(value.groups), "key"), confirmed_info(value)) end,
    },
    [0x13] = {
        from = "H",
        body = record(nil, {
            { "groups", list("groups", 0, MAX_KEYS, SHARE_GROUP) },
            { "missing", list("missing", 0, MAX_KEYS, MISSING) },
        }),
        info = function(value) return joined(plural(count_keys(value.groups), "key"), missing_info(value)) end,
    },
    [0x18] = {
        from = "C", answer = 0x19,
        body = record(nil, { { "encryptors", list("encryptors", 1, MAX_KEYS, encryptor_name("encryptor")) } }),
        info = function(value) return some(value.encryptors) end,
    },
    [0x19] = {
        from = "H",
        body = record(nil, { { "clients", located } }),
        info = function(value) return some(value.clients) end,
    },
}
local IS_ANSWER = { [0x02] = true, [0x05] = true, [0x11] = true, [0x13] = true, [0x19] = true }

-- --- Handshake: proto/handshake.md ------------------------------------------------------------------------

local function flags(c, tree)
    local value, item = number("flags", UINT8)(c, tree)
    local range = c.tvb(c.at - 1, 1)
    for _, name in ipairs({ "just_started", "simulated", "begin_anew" }) do
        item:add(F["flags." .. name], range)
    end
    return value
end

local HOLDINGS = record("holdings", {
    { "client_stream", bin16("client_stream") }, { "hub_stream", bin16("hub_stream") },
    { "client_end", uint64("client_end") }, { "hub_end", uint64("hub_end") },
    { "exact_mark", uint64("exact_mark") }, { "durable_mark", uint64("durable_mark") },
})

-- What a known optional field holds; one of the wrong length is malformed.
local function show_addition(key, size, range, item, at)
    if key == NEXT then
        if size ~= 8 then refuse(at, "NEXT of %d bytes stands where 8 belong", size) end
        item:add(F.next, range)
    elseif key == WRAPPING then
        if size == 0 or size > MAX_CIPHERS then refuse(at, "WRAPPING names %d ciphers", size) end
        for place = 0, size - 1 do
            item:add(F.cipher, range(place, 1))
        end
    elseif key == LOCAL_IDENTIFIERS and size ~= 0 then
        refuse(at, "LOCAL_IDENTIFIERS has %d bytes where none belong", size)
    end
end

-- A map from uint32 to bin, keys in ascending order.
local function additions(c, tree)
    local branch, start = branch_of(c, tree, "additions")
    local read_key, read_value = number("addition", UINT32), binary("addition.value", 0, MAX_HANDSHAKE_BYTES)
    local told, last = {}, -1
    for _ = 1, (expect(c, "map", 0, MAX_ADDITIONS, "optional fields")) do
        local at = c.at
        local key, item = read_key(c, branch)
        if key <= last then refuse(at, "the optional fields are not in ascending order") end
        local value = read_value(c, item)
        show_addition(key, #value, c.tvb(c.at - #value, #value), item, at)
        told[key], last = value, key
    end
    branch:set_len(c.at - start)
    return told
end

local function refusal_seen(_, value, tree)
    if value.code ~= 0 then
        local said = "The hub refuses: " .. joined(code_name(value.code), one_line(value.reason))
        tree:add_proto_expert_info(E.refusal, said)
    end
end

local function magic_seen(c, value)
    if value.magic ~= "DSKE" then refuse(c.at, "the magic is not DSKE") end
end

local FLAG_NAMES = { { 1, "JUST_STARTED" }, { 2, "SIMULATED" }, { 4, "BEGIN_ANEW" } }

local function flags_info(value)
    local set = {}
    for _, pair in ipairs(FLAG_NAMES) do
        if value.flags % (2 * pair[1]) >= pair[1] then set[#set + 1] = pair[2] end
    end
    return table.concat(set, ", ")
end

-- The messages of the handshake: from whom, after which, fields, and their line.
local PARTS = {
    M0 = {
        from = "H",
        body = record(nil, {
            { "magic", text("magic", 4, 4) }, { "versions", list("versions", 1, 16, number("version", UINT8)) },
            { "nonce", bin16("nonce") },
        }, magic_seen),
        info = function(value) return "versions " .. some(value.versions) end,
    },
    M1 = {
        from = "C", after = "M0",
        body = record(nil, {
            { "version", number("version", UINT8) }, { "client", node_name("client") }, { "hub", node_name("hub") },
            { "nonce", bin16("nonce") }, { "boot_id", bin16("boot_id") }, { "proved_boot", bin16("proved_boot") },
            { "flags", flags }, { "holdings", HOLDINGS }, { "max_pads", number("max_pads", UINT32) },
            { "additions", additions }, { "mac", binary("mac", 32, 32) },
        }),
        info = function(value) return joined(one_line(value.client .. " to " .. value.hub), flags_info(value)) end,
    },
    M2 = {
        from = "H", after = "M1",
        body = record(nil, {
            { "version", number("version", UINT8) }, { "code", code() }, { "reason", text("reason", 0, 128) },
            { "boot_id", bin16("boot_id") }, { "proved_boot", bin16("proved_boot") }, { "flags", flags },
            { "holdings", HOLDINGS }, { "max_pads", number("max_pads", UINT32) }, { "additions", additions },
            { "mac", binary("mac", 32, 32) },
        }, refusal_seen),
        info = function(value)
            return joined(code_name(value.code), one_line(value.reason), flags_info(value))
        end,
    },
    M3 = {
        from = "C", after = "M2",
        body = record(nil, {
            { "position", uint64("position") }, { "client_stream", bin16("client_stream") },
            { "hub_stream", bin16("hub_stream") }, { "client_end", uint64("client_end") },
            { "hub_end", uint64("hub_end") }, { "tag", bin16("tag") },
        }),
        info = function(value) return "at " .. tostring(value.position) end,
    },
    M4 = {
        from = "H", after = "M3",
        body = record(nil, { { "position", uint64("position") }, { "ack", uint64("ack") }, { "tag", bin16("tag") } }),
        info = function(value) return "at " .. tostring(value.position) end,
    },
}

-- By the array's head; M0 and M4 are told apart by what follows.
local PART_OF_HEAD = { [0x9b] = "M1", [0x9a] = "M2", [0x96] = "M3" }
local FRAME_HEAD, WRAPPED_HEAD, SHORT_HEAD = 0x97, 0x91, 0x93

-- M0 to M4, FRAME or WRAPPED, by a piece's first bytes; nil for anything else.
local function kind_of(bytes, at)
    local head, next_byte = bytes:byte(at + 1), bytes:byte(at + 2)
    if head == FRAME_HEAD then return "FRAME" end
    if head == WRAPPED_HEAD then return "WRAPPED" end
    if head == SHORT_HEAD then return next_byte and next_byte >= 0xa0 and next_byte < 0xc0 and "M0" or "M4" end
    return PART_OF_HEAD[head]
end

-- --- What is remembered of a connection ---------------------------------------------------------------------
-- Packets are read in order once; later they are shown again in any order. What depends on what came before is
-- found out the first time, and kept as `facts` of the piece.

local connections, pieces = {}, {}

function dske.init()
    connections, pieces = {}, {}
end

local function new_connection(pinfo)
    return {
        ends = { pinfo.src, pinfo.dst }, names = {}, numbers = {}, requests = {}, agreed = {},
        positions = {}, -- up to where each side has used its pool
        sealed = { C = 0, H = 0 }, wrapped = {}, -- counters of both directions; of wrapped pieces from WRAP on
    }
end

local function has_ends(connection, pinfo)
    local one, other = connection.ends[1], connection.ends[2]
    return one == pinfo.src and other == pinfo.dst or one == pinfo.dst and other == pinfo.src
end

-- The connection between two ends. tcp.stream would name it, but is not told while Wireshark builds no tree; so where
-- a pair of ports comes again, M0 tells that this is another one. Addresses are compared as such: as text they change
-- when Wireshark has found a name for them.
local function connection_of(pinfo, kind)
    local low, high = math.min(pinfo.src_port, pinfo.dst_port), math.max(pinfo.src_port, pinfo.dst_port)
    local ports = low .. " " .. high
    local there = connections[ports] or {}
    connections[ports] = there
    local place = 1
    while there[place] and not has_ends(there[place], pinfo) do place = place + 1 end
    if kind == "M0" or not there[place] then there[place] = new_connection(pinfo) end
    return there[place]
end

-- C or H, as known from this connection's hub; `certain`: what the piece itself says.
local function direction_of(connection, pinfo, certain)
    if certain == "H" and not connection.hub then connection.hub = { pinfo.src, pinfo.src_port } end
    if certain == "C" and not connection.hub then connection.hub = { pinfo.dst, pinfo.dst_port } end
    local hub = connection.hub
    if hub then return hub[1] == pinfo.src and hub[2] == pinfo.src_port and "H" or "C" end
    return pinfo.src_port < pinfo.dst_port and "H" or "C" -- a client's port is mostly an ephemeral one
end

local function note(c, kind, said, ...)
    local notes = c.facts.notes
    notes[#notes + 1] = { kind, said:format(...) }
end

-- Sets the facts of this piece and its connection, and whether they are still to be found. One packet may hold
-- several pieces, some out of TCP's reassembly: place, length and last bytes tell them apart.
local function recall(c, pinfo, kind)
    local key = table.concat({ pinfo.number, c.tvb:offset(), #c.bytes, c.bytes:sub(-TAG_BYTES) }, "|")
    c.first = not pinfo.visited
    if c.first or not pieces[key] then
        pieces[key] = { notes = {}, connection = connection_of(pinfo, c.first and kind) }
    end
    c.facts = pieces[key]
    c.connection = c.facts.connection
end

-- Bytes of a pool that the piece takes: a position is used once, and upward only.
local function learn_position(c, position, taken)
    local positions, from = c.connection.positions, c.direction
    local last = positions[from]
    if last and position < last then
        note(c, "replay", "Begins at %s; up to %s was used before", tostring(position), tostring(last))
    elseif last and last < position then
        c.facts.skipped = position - last
    end
    if not last or last <= position then positions[from] = position + UInt64(taken) end
end

local function learn_wrapping(c, message)
    local connection, from = c.connection, c.direction
    if connection.wrapped[from] then
        note(c, "out_of_place", "In clear, though the %s has sent WRAP", SENDER[from])
    elseif message and message.wraps then
        if connection.whole and not connection.agreed[WRAPPING] then
            note(c, "out_of_place", "WRAP, though no wrapping was agreed in M1 and M2")
        end
        connection.wrapped[from] = 0
    elseif message and not message.sealed and connection.agreed[WRAPPING] then
        note(c, "out_of_place", "Wrapping was agreed: the first tagged frame must be WRAP")
    end
end

local SEALED_AFTER = { M2 = true, M3 = true, M4 = true }

local function learn_stage(c, message)
    local said = c.connection.said
    if not c.connection.whole then return end
    if message and message.sealed and not SEALED_AFTER[said] then
        note(c, "out_of_place", "A sealed frame before M2")
    elseif not (message and message.sealed) and said ~= "M4" then
        note(c, "out_of_place", "A frame before M4")
    end
end

-- Of the additions of M1 those that M2 names are in force.
local function learn_additions(c, named_by_hub)
    local connection = c.connection
    for _, number_of in ipairs({ WRAPPING, LOCAL_IDENTIFIERS }) do
        local offered = connection.offered and connection.offered[number_of]
        connection.agreed[number_of] = offered and named_by_hub[number_of] and true
        if connection.whole and named_by_hub[number_of] and not offered then
            note(c, "out_of_place", "M2 names %s, which M1 does not", ADDITIONS[number_of])
        end
    end
end

local function learn_part(c, name, value)
    local connection = c.connection
    if name == "M0" then connection.whole = true end
    if connection.whole and connection.said ~= PARTS[name].after then
        note(c, "out_of_place", "%s, after %s", name, connection.said or "nothing")
    end
    connection.said = name
    if name == "M1" then
        connection.client, connection.hub_name, connection.offered = value.client, value.hub, value.additions
    elseif name == "M2" then
        learn_additions(c, value.additions)
    elseif value.position then
        learn_position(c, value.position, PROOF_BYTES)
    end
    learn_wrapping(c)
end

-- --- Requests and their answers ---------------------------------------------------------------------------

local function match_answer(c, kind)
    local connection = c.connection
    local asked = connection.requests[c.request_id]
    if c.direction ~= "H" or c.request_id == 0 then return end
    if asked and (asked.answer == kind or kind == 0x05) then
        asked.answers[#asked.answers + 1] = c.number
        c.facts.asked, c.facts.time = asked, c.now - asked.time
        if kind ~= 0x13 then asked.over = true end
    elseif connection.whole and (IS_ANSWER[kind] or asked) then
        note(c, "unmatched", "No request with this id and such an answer is under way")
    end
end

local function keys_of(groups, found)
    for _, group in ipairs(groups or {}) do
        for _, id in ipairs(group.key_ids) do
            found[#found + 1] = id
        end
    end
    return found
end

-- A type that is not known may be a request as well: its answer is ERROR.
local function learn_request(c, message, value)
    if message and not message.answer or c.direction ~= "C" or c.request_id == 0 then return end
    local answer, sealed = message and message.answer, message and message.sealed
    local before = c.connection.requests[c.request_id]
    if before and not before.over then
        note(c, "out_of_place", "The request with this id in packet %d is still under way", before.number)
    end
    local request = {
        number = c.number, time = c.now, answer = answer, answers = {},
        encryptors = value.encryptors or {}, keys = keys_of(value.groups, {}),
        over = sealed or not answer, -- a block that is under way already is a PSRD_REQUEST's answer
    }
    request.left = {}
    for _, id in ipairs(request.keys) do
        request.left[id] = true
    end
    c.connection.requests[c.request_id], c.facts.request = request, request
end

-- A GET_SHARES is over when each key has stood whole, by its last piece, in groups or in missing.
local function learn_shares(c, value)
    local asked = c.facts.asked
    if not asked then return end
    for _, group in ipairs(value.groups) do
        if group.offset + #group.shares >= group.key_bytes * #group.key_ids then
            for _, id in ipairs(group.key_ids) do asked.left[id] = nil end
        end
    end
    for _, id in ipairs(keys_of(value.missing, {})) do asked.left[id] = nil end
    asked.over = next(asked.left) == nil
end

local function generated(tree, name, value)
    tree:add(F[name], value):set_generated()
end

local function show_time(c, seconds)
    local whole = math.floor(seconds)
    generated(c.tree, "time", NSTime(whole, math.floor((seconds - whole) * 1e9 + 0.5)))
end

local function show_matches(c)
    local facts = c.facts
    if facts.request then
        for _, answer in ipairs(facts.request.answers) do
            generated(c.tree, "response_in", answer)
        end
    end
    if facts.asked then
        generated(c.tree, "request_in", facts.asked.number)
        show_time(c, facts.time)
    end
end

-- --- Frames: proto/frames.md ------------------------------------------------------------------------------

-- Bytes that never differ: an array of 7, and the heads of its fields.
local FIXED = { { 4, 0x97 }, { 6, 0xce }, { 11, 0xcf }, { 20, 0xce }, { 25, 0xcf }, { 34, 0xc6 } }

local function has_fixed_bytes(bytes)
    for _, pair in ipairs(FIXED) do
        if bytes:byte(pair[1] + 1) ~= pair[2] then return false, pair[1] end
    end
    return true
end

-- The header, shown as far as it is there: type, pads and body bytes.
local function frame_header(c, tree)
    local tvb = c.tvb
    c.at = 5
    take(c, BODY_AT - 5)
    local right, at = has_fixed_bytes(c.bytes)
    if not right then refuse(at, "a frame has other bytes here") end
    local kind = c.bytes:byte(6)
    tree:add(F.type, tvb(5, 1))
    if kind > 0x7f then refuse(5, "the type is above 0x7f") end
    c.request_id = big_endian(c.bytes, 7, 4)
    for _, field in ipairs({ { "request_id", 7, 4 }, { "position", 12, 8 }, { "pads", 21, 4 }, { "ack", 26, 8 } }) do
        tree:add(F[field[1]], tvb(field[2], field[3]))
    end
    local body = big_endian(c.bytes, 35, 4)
    if body + FRAME_REST_BYTES ~= c.length then
        refuse(35, "a body of %s bytes does not fit a length of %d", tostring(body), c.length)
    end
    return kind, big_endian(c.bytes, 21, 4), body
end

local function check_tag_head(c, body)
    local at = BODY_AT + body
    c.at = at
    take(c, 2 + TAG_BYTES)
    if c.bytes:sub(at + 1, at + 2) ~= "\196\16" then refuse(at, "the tag has another head") end
end

-- The body's branch, and behind it the tag.
local function body_branch(c, body)
    local branch = c.tree:add(F.body, c.tvb(BODY_AT, body))
    c.tree:add(F.tag, c.tvb(BODY_AT + body + 2, TAG_BYTES))
    return branch
end

-- Bodies that are sealed have neither pads nor a tag of their own.
local function show_sealed(c, body)
    local header, tag = c.bytes:sub(12, 34), c.bytes:sub(-TAG_BYTES)
    if header ~= "\207" .. ("\0"):rep(8) .. "\206" .. ("\0"):rep(4) .. "\207" .. ("\0"):rep(8) then
        refuse(11, "position, pads and ack of a sealed frame are 0")
    end
    if tag ~= ("\0"):rep(TAG_BYTES) then refuse(c.stop - TAG_BYTES, "a sealed frame has 16 zero bytes as tag") end
    if body < TAG_BYTES then refuse(BODY_AT, "a seal alone has 16 bytes") end
    local item = c.tree:add(F.sealed, c.tvb(BODY_AT, body - TAG_BYTES))
    if c.facts.counter then generated(item, "sealed.counter", c.facts.counter) end
    generated(item, "sealed.bytes", body - TAG_BYTES)
    c.tree:add(F["sealed.tag"], c.tvb(BODY_AT + body - TAG_BYTES, TAG_BYTES))
    c.tree:add(F.tag, c.tvb(BODY_AT + body + 2, TAG_BYTES))
    return ("sealed, %d bytes"):format(body - TAG_BYTES)
end

-- Reads the body by its table: its line, and what its fields gave.
local function show_body(c, body, message, pads)
    local tree = body_branch(c, body)
    c.at, c.stop, c.secret_bytes = BODY_AT, BODY_AT + body, 0
    local value = message.body(c, tree)
    if c.at < c.stop then refuse(c.at, "%d bytes stand behind the body", c.stop - c.at) end
    local wanted = message.wraps and WRAPPING_KEY_BYTES or c.secret_bytes
    if message.unasked and c.request_id ~= 0 then refuse(6, "the request id is %d, and not 0", c.request_id) end
    if pads ~= wanted then refuse(20, "pads is %s, and %d belong to this body", tostring(pads), wanted) end
    local keys = #keys_of(value.groups, keys_of(value.missing, {}))
    if keys > MAX_KEYS then refuse(BODY_AT, "%d keys in one frame", keys) end
    if keys > 0 then generated(c.tree, "keys", keys) end
    return message.info and message.info(value) or "", value
end

local function learn_frame(c, kind, message, pads)
    local sealed = message and message.sealed
    learn_stage(c, message)
    learn_wrapping(c, message)
    if sealed then
        c.facts.counter = c.connection.sealed[c.direction]
        c.connection.sealed[c.direction] = c.facts.counter + 1
    else
        learn_position(c, c.tvb(12, 8):uint64(), MASK_BYTES + pads)
    end
    if message and message.addition and c.connection.whole and not c.connection.agreed[message.addition] then
        note(c, "out_of_place", "%s was not agreed in M1 and M2", ADDITIONS[message.addition])
    end
    if message and message.from and message.from ~= c.direction then
        note(c, "out_of_place", "Only a %s sends this", SENDER[message.from])
    end
    match_answer(c, kind)
end

local function show_position(c, pads)
    generated(c.tree, "end", c.tvb(12, 8):uint64() + UInt64(MASK_BYTES + pads))
    if c.facts.skipped then generated(c.tree, "skipped", c.facts.skipped) end
end

-- A type that is not known is not read by its receiver either.
local function show_unread(c, body)
    body_branch(c, body):add_proto_expert_info(E.unknown, "A receiver does not read this body, and burns its pads")
    return "not read", {}
end

local function frame(c)
    local kind, pads, body = frame_header(c, c.tree)
    local message = MESSAGES[kind]
    c.name = TYPE_NAMES[kind] or ("type 0x%02x"):format(kind)
    if pads > MAX_PAD_BYTES then refuse(20, "%s pads in one frame", tostring(pads)) end
    check_tag_head(c, body)
    if c.first then learn_frame(c, kind, message, pads) end
    local said, value
    if message and message.sealed then
        said, value = show_sealed(c, body), {}
    else
        show_position(c, pads)
        local show = message and show_body or show_unread
        said, value = show(c, body, message, pads)
    end
    if c.first then
        learn_request(c, message, value)
        if kind == 0x13 then learn_shares(c, value) end
    end
    return joined(c.request_id > 0 and ("id %d"):format(c.request_id), said)
end

-- --- Wrapped pieces: proto/wrapping.md ----------------------------------------------------------------------

local function wrapped(c)
    c.at = 5
    local at = take(c, 5)
    if c.bytes:byte(6) ~= 0xc6 then refuse(at, "a wrapped piece holds a bin32") end
    local size = big_endian(c.bytes, 6, 4)
    if size + 6 ~= c.length then refuse(6, "%s bytes do not fit a length of %d", tostring(size), c.length) end
    if size < TAG_BYTES then refuse(6, "a tag alone has 16 bytes") end
    take(c, size)
    local counters = c.connection.wrapped
    if c.first then
        if c.connection.whole and not counters[c.direction] then
            note(c, "out_of_place", "Wrapped, before the %s has sent WRAP", SENDER[c.direction])
        end
        c.facts.counter = counters[c.direction]
        counters[c.direction] = counters[c.direction] and counters[c.direction] + 1
    end
    local inner = size - TAG_BYTES
    local item = c.tree:add(F.wrapped, c.tvb(10, inner))
    if c.facts.counter then generated(item, "wrapped.counter", c.facts.counter) end
    generated(item, "wrapped.bytes", inner)
    c.tree:add(F["wrapped.tag"], c.tvb(10 + inner, TAG_BYTES))
    return joined(c.facts.counter and ("number %d"):format(c.facts.counter), plural(inner, "byte"))
end

-- --- Pieces -------------------------------------------------------------------------------------------------

local function handshake(c)
    local part = PARTS[c.name]
    if c.length > MAX_HANDSHAKE_BYTES then refuse(0, "%d bytes in a message of the handshake", c.length) end
    local value = part.body(c, c.tree)
    if c.at < c.stop then refuse(c.at, "%d bytes stand behind the message", c.stop - c.at) end
    if part.from ~= c.direction and c.first then note(c, "out_of_place", "Only a %s sends this", SENDER[part.from]) end
    if c.first then learn_part(c, c.name, value) end
    return part.info(value)
end

-- What the piece itself tells of its sender.
local function certain_of(kind, bytes)
    if PARTS[kind] then return PARTS[kind].from end
    local message = kind == "FRAME" and MESSAGES[bytes:byte(6)]
    return message and message.from or nil
end

local function show_peers(c)
    local connection = c.connection
    local item = c.tree:add(F.direction, c.direction)
    item:set_generated()
    item:append_text((" (from the %s)"):format(SENDER[c.direction]))
    if c.name == "M1" or not connection.client then return end
    generated(c.tree, "client", connection.client)
    generated(c.tree, "hub", connection.hub_name)
end

local function show_malformed(c, fault)
    local kind, said = E.malformed, ("At byte %d: %s"):format(fault.at, fault.why)
    if c.cut then
        kind, said = E.cut, "Not all of this piece was captured"
    end
    c.tree:add_proto_expert_info(kind, said)
    return c.cut and "captured in part" or "MALFORMED"
end

-- Runs one of the above. What its bytes lack becomes expert information; any other error is a fault of this file.
local function guarded(c, show)
    local fine, said = pcall(show, c)
    if fine then return said end
    if getmetatable(said) ~= Refused then error(said, 0) end
    return show_malformed(c, said)
end

local SHOW = { FRAME = frame, WRAPPED = wrapped }

-- Shows a piece of `size` bytes that begins at `at`: its line in the packet list.
local function dissect_piece(tvb, at, size, pinfo, tree)
    local range = tvb(at, math.min(size, tvb:len() - at))
    local c = { tvb = range:tvb(), bytes = range:raw(), at = LENGTH_BYTES, number = pinfo.number, now = pinfo.rel_ts }
    local kind = kind_of(c.bytes, LENGTH_BYTES)
    c.length, c.name = size - LENGTH_BYTES, kind
    c.stop, c.cut = range:len(), range:len() < size
    c.tree = tree:add(dske, range)
    recall(c, pinfo, kind)
    c.direction = direction_of(c.connection, pinfo, certain_of(kind, c.bytes))
    c.tree:add(F.length, range(0, LENGTH_BYTES))
    local said = guarded(c, SHOW[kind] or handshake)
    generated(c.tree, "piece", c.name)
    show_peers(c)
    show_matches(c)
    for _, one in ipairs(c.facts.notes) do
        c.tree:add_proto_expert_info(E[one[1]], one[2])
    end
    local line = c.direction .. " " .. joined(c.name, said)
    c.tree:set_text("DSKE " .. line)
    return line
end

-- What no piece begins with: the other pieces of this segment cannot be found either.
local function dissect_garbage(tvb, at, pinfo, tree)
    local item = tree:add(dske, tvb(at))
    item:set_text("DSKE out of step")
    item:add_proto_expert_info(E.malformed, "No piece begins here")
    local direction = direction_of(connection_of(pinfo), pinfo)
    item:add(F.direction, direction):set_generated()
    return direction .. " MALFORMED"
end

local MOST = { FRAME = MAX_FRAME_BYTES, WRAPPED = MAX_FRAME_BYTES + WRAPPED_REST_BYTES }

-- Bytes of the piece at `at` with its length prefix; nil where no piece can begin like this. `tvb` has 4 bytes there.
local function size_of(tvb, at)
    local length = tvb(at, LENGTH_BYTES):uint()
    local head = tvb:raw(at + LENGTH_BYTES, math.min(2, tvb:len() - at - LENGTH_BYTES))
    local kind = kind_of(head, 0)
    if length == 0 or #head > 0 and not kind then return nil end
    local most = #head == 0 and MOST.WRAPPED or MOST[kind] or MAX_HANDSHAKE_BYTES
    return length <= most and LENGTH_BYTES + length or nil
end

-- Asks TCP for what is missing of the piece at `at`. False where it cannot be had.
local function wait_for(pinfo, tvb, at, missing)
    if pinfo.can_desegment == 0 or tvb:reported_len() > tvb:len() then return false end
    pinfo.desegment_offset = at
    pinfo.desegment_len = missing
    return true
end

-- Shows the pieces of a segment, or of what TCP has put together: their lines. The last may be there in part.
local function dissect_pieces(tvb, pinfo, tree)
    local lines, at, stop = {}, 0, tvb:len()
    while at < stop do
        local short = stop - at < LENGTH_BYTES
        if short and wait_for(pinfo, tvb, at, DESEGMENT_ONE_MORE_SEGMENT) then return lines end
        local size = not short and size_of(tvb, at)
        if size and size > stop - at and wait_for(pinfo, tvb, at, size - (stop - at)) then return lines end
        if size then
            lines[#lines + 1] = dissect_piece(tvb, at, size, pinfo, tree)
        else
            lines[#lines + 1] = dissect_garbage(tvb, at, pinfo, tree)
        end
        at = size and at + size or stop
    end
    return lines
end

-- The same line several times over stands there once.
local function together(lines)
    local told, count = {}, 0
    for place, line in ipairs(lines) do
        count = count + 1
        if line ~= lines[place + 1] then
            told[#told + 1] = line .. (count > 1 and (" (%d times)"):format(count) or "")
            count = 0
        end
    end
    return table.concat(told, " | ")
end

function dske.dissector(tvb, pinfo, tree)
    pinfo.cols.protocol = "DSKE"
    local lines = dissect_pieces(tvb, pinfo, tree)
    if #lines > 0 then
        pinfo.cols.info:clear()
        pinfo.cols.info:append(together(lines) .. " ")
        pinfo.cols.info:fence()
    end
    return tvb:len()
end

-- --- Which connections are DSKE -----------------------------------------------------------------------------
-- A hub's ports are whatever its operator chose. M0 cannot be mistaken; nor can a frame, or a wrapped piece, at whose
-- beginning a segment of a connection begins that was open before the capture was.

local function looks_like_m0(bytes) return bytes:sub(5, 10) == "\147\164DSKE" end

local function looks_like_frame(bytes)
    return #bytes >= BODY_AT and has_fixed_bytes(bytes)
        and big_endian(bytes, 0, 4) == big_endian(bytes, 35, 4) + FRAME_REST_BYTES
end

local function looks_wrapped(bytes)
    return #bytes >= 10 and bytes:sub(5, 6) == "\145\198"
        and big_endian(bytes, 0, 4) == big_endian(bytes, 6, 4) + 6
end

local function heuristic(tvb, pinfo, tree)
    local bytes = tvb:raw(0, math.min(tvb:len(), BODY_AT))
    if not (looks_like_m0(bytes) or looks_like_frame(bytes) or looks_wrapped(bytes)) then return false end
    pinfo.conversation = dske
    dske.dissector(tvb, pinfo, tree)
    return true
end

dske:register_heuristic("tcp", heuristic)
DissectorTable.get("tcp.port"):add_for_decode_as(dske)
