#!/usr/bin/env bash
# @hyperjump/json-schema 1.18.0 accepts every number as a multiple of 1e-7, and of any smaller step: its keyword takes a remainder
# below 1.19209290e-7 (the epsilon of a 32-bit float) for none, whatever the size of the divisor. JSON Schema 2020-12, validation section 6.2.1:
# "valid only if division by this keyword's value results in an integer". The official test suite has 0.0001 as its smallest step, so a
# validator that passes all of it may do this. It replaces nothing of ours: our own keyword counts in decimals (docs/message-types.md).
#
# Exits 0 while that is so, 1 when the behaviour has changed, 2 when it could not be tried.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent @hyperjump/json-schema@1.18.0 @hyperjump/browser@1.5.0 || exit 2

cat >try.mjs <<'JS'
import { registerSchema, validate } from "@hyperjump/json-schema/draft-2020-12";
const $schema = "https://json-schema.org/draft/2020-12/schema";
const fits = async (multipleOf, value) => {
  const id = `https://example.com/${multipleOf}`;
  try {
    registerSchema({ $schema, multipleOf }, id);
  } catch {
    // Registered by an earlier question.
  }
  return (await validate(id, value, "FLAG")).valid;
};
// Steps of 0.0001 are told apart; steps of 1e-7, say coordinates of a map in seventh decimals or prices in micro-units, are not.
const asked = [
  [0.0001, 0.00075, false],
  [1e-7, 1.5e-7, true],
  [1e-7, 0.12345678, true],
  [1e-8, 1e-9, true],
];
let same = true;
for (const [multipleOf, value, seen] of asked) {
  const valid = await fits(multipleOf, value);
  console.log(`multipleOf ${multipleOf}: ${value} is ${valid ? "accepted" : "refused"}`);
  same &&= valid === seen;
}
process.exit(same ? 0 : 1);
JS
node try.mjs
