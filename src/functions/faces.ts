import type { Face } from "../lib/http/face.ts";
import { mcpFace } from "../mcp/face.ts";

/** Every face, once. Both hosts serve them. */
export const faces: readonly Face[] = [mcpFace];
