// What goes wrong, by what follows from it.

/** The peer broke a rule: the connection is closed in silence (specification.md, 5). `kind`: FORM, RULE, TAG, ... */
export class ProtocolError extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

/** A piece, a body or a bundle is not of the form that it must have. */
export const malformed = (message) => new ProtocolError("FORM", message);

/** All is in form, and says what may not be said here. */
export const rule = (message) => new ProtocolError("RULE", message);

/** The hub refused in M2 (handshake.md, 3). */
export class Refused extends Error {
  constructor(code, reason) {
    super(`refused with code ${code}: ${reason}`);
    this.code = code;
  }
}

/** A connection is gone, or was never there; what was under way on it can be tried on the next one. */
export class Disconnected extends Error {}

/** A request cannot be met. `code`: a name of specification.md, 5, where one of them says why. */
export class RequestFailed extends Error {
  constructor(message, code = null) {
    super(message);
    this.code = code;
  }
}
