/** How a caller proved who it is; `none` where credentials are not asked for. */
export const CREDENTIAL_KINDS = ["token", "entra", "certificate", "none"] as const;
export type CredentialKind = (typeof CREDENTIAL_KINDS)[number];
