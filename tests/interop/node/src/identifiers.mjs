// Local identifiers (messages.md, "Local identifiers"): the numbers that a hub gives to its clients, for one session.

import { malformed, rule } from "./errors.mjs";

const MAX_LOCAL_IDENTIFIERS = 65536;

export class Identifiers {
  constructor() {
    this.names = new Map();
    this.numbers = new Map();
  }

  /** A NAMES has come. The same pair again changes nothing; one that is another's closes. */
  define(entries) {
    for (const { identifier, name } of entries) {
      const known = this.names.get(identifier) ?? name;
      if (known !== name || (this.numbers.get(name) ?? identifier) !== identifier)
        throw rule(`identifier ${identifier} for ${name}: one of them has another partner`);
      this.names.set(identifier, name);
      this.numbers.set(name, identifier);
    }
    if (this.names.size > MAX_LOCAL_IDENTIFIERS) throw rule("too many identifiers");
  }

  /** The name in place of a client ref that was read. */
  nameOf(identifier) {
    if (!this.names.has(identifier)) throw malformed(`identifier ${identifier} was not defined`);
    return this.names.get(identifier);
  }

  /** What is written in place of a name: the hub's number, where it has one. */
  refOf(name) {
    return this.numbers.get(name) ?? name;
  }
}

/** Where local identifiers are not in force: names only. */
export const NAMES_ONLY = {
  nameOf: () => {
    throw malformed("an identifier where names are expected");
  },
  refOf: (name) => name,
};
