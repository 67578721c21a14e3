import type { EncryptionSettings } from "../config/encryption-settings.ts";
import type { Clock } from "../model/clock.ts";
import type { Log } from "../trace/log.ts";
import { KeyFile } from "./key-file.ts";
import { type KeyRing, noKeys, withOlderKeys } from "./key-ring.ts";
import { KeyVault } from "./key-vault.ts";
import { VaultKeys } from "./vault-keys.ts";

/** The keys that the settings name. Nothing is read or made before somebody needs a key. */
export function openKeys({ vaultSecret, keyFile }: EncryptionSettings, clock: Clock, log: Log): KeyRing {
  const file = keyFile === undefined ? undefined : new KeyFile(keyFile, clock);
  if (vaultSecret === undefined) return file ?? noKeys;
  const keys = new VaultKeys({ vault: new KeyVault(vaultSecret.vault), name: vaultSecret.name, clock, log });
  return file === undefined ? keys : withOlderKeys(keys, file);
}
