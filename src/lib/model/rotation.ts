import { z } from "zod";

/** The vocabulary of encrypting again under another version of the key. */

/** `POST /keys/rotate` */
export const rotateKeysSchema = z.strictObject({
  /** Makes a new version of the key first. For a key file; of a key vault's secret, the operator makes the versions. */
  newVersion: z.boolean().optional(),
  /** Where the call before stopped. */
  cursor: z.string().max(1_024).optional(),
});
export type RotateKeysInput = z.input<typeof rotateKeysSchema>;

export const rotationSchema = z.object({
  /** The version that everything is under now, or will be. */
  keyVersion: z.string(),
  /** Values that this call has encrypted again. */
  reencrypted: z.int(),
  /** Values that this call has passed over: their key is not there any more, or they are not what was encrypted. */
  undecryptable: z.int(),
  /** Values under other versions that are left, those that were passed over included; counted up to 10,000. */
  left: z.int(),
  /** Null when everything has been looked at. */
  nextCursor: z.string().nullable(),
});
export type Rotation = z.infer<typeof rotationSchema>;
