/** A schema that cannot be used, and the place in it: a JSON pointer, empty for the whole. */
export class BadSchema extends Error {
  readonly pointer: string;

  constructor(message: string, pointer: string) {
    super(message);
    this.name = "BadSchema";
    this.pointer = pointer;
  }
}
