import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { build, type Metafile, type Plugin } from "esbuild";

/** The Functions app as few files: what a cold start needs in the first, what only some settings need in files of its own. */

/** Oldest Node that Azure Functions offers and the store runs on. */
const TARGET = "node22";

/**
 * CommonJS packages call `require` for Node's own modules, which a module does not have. `@azure/functions-core` is provided
 * by the host's worker, which answers `require` for it; it exists nowhere else, so it must stay outside.
 */
const REQUIRE = 'import{createRequire as makeRequire}from"node:module";const require=makeRequire(import.meta.url);';

/**
 * Bundling puts all modules into one folder, so a module that reads files beside itself would look beside the bundle. Each
 * keeps its own place instead, below the folder of the bundle: src/lib/store/x.ts becomes <bundle>/lib/store/x.ts.
 */
function ownPlaces(source: string): Plugin {
  return {
    name: "own-places",
    setup(bundler) {
      bundler.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const text = readFileSync(path, "utf8");
        if (!text.includes("import.meta.url")) return undefined;
        const place = JSON.stringify(relative(source, path).replaceAll("\\", "/"));
        return {
          contents: text.replaceAll("import.meta.url", `new URL(${place}, import.meta.url).href`),
          loader: "ts",
        };
      });
    },
  };
}

/** Zod's messages in fifty languages are half of it, and English is the one that we answer in. */
const englishOnly: Plugin = {
  name: "english-only",
  setup(bundler) {
    bundler.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.c?js$/ }, ({ path }) => ({
      contents: 'export { default as en } from "./en.js";',
      resolveDir: dirname(path),
    }));
  },
};

/**
 * The driver has logins with Entra ID and a key store of its own, which load 400 KB of packages even if nobody uses them. We give it a
 * credential instead (src/lib/security/azure-credential.ts), so it never touches them; if it did, it would say so.
 */
const withoutDriversLogins: Plugin = {
  name: "without-drivers-logins",
  setup(bundler) {
    bundler.onResolve({ filter: /^@azure\/(?:identity|keyvault-keys)$/ }, ({ path, importer }) =>
      /[\\/]tedious[\\/]/.test(importer) ? { path, namespace: "left-out" } : undefined,
    );
    bundler.onLoad({ filter: /.*/, namespace: "left-out" }, ({ path }) => ({
      contents: `module.exports = new Proxy({}, { get() { throw new Error(${JSON.stringify(`${path} is not in this package`)}); } });`,
    }));
  },
};

/**
 * A package in CommonJS that is imported dynamically would have nothing but a default export in the bundle, other than in Node.
 *
 * @throws Error naming it: a module of ours should import it statically, and be imported dynamically itself
 */
function refuseDynamicCommonJs(metafile: Metafile): void {
  for (const { entryPoint, exports } of Object.values(metafile.outputs)) {
    if (entryPoint?.includes("node_modules/") && exports.length === 1 && exports[0] === "default") {
      throw new Error(`${entryPoint} is CommonJS and imported dynamically`);
    }
  }
}

/**
 * Bundles src/functions/main.ts into `folder`, as main.js and chunks beside it, minified, each with a source map.
 *
 * @param root folder of the repository
 * @returns what went where, as esbuild tells it (https://esbuild.github.io/api/#metafile); paths are relative to `root`
 * @throws Error when something cannot be bundled; warnings count
 */
export async function bundle(root: string, folder: string): Promise<Metafile> {
  const { metafile, warnings } = await build({
    absWorkingDir: root,
    entryPoints: { main: "src/functions/main.ts" },
    outdir: folder,
    bundle: true,
    platform: "node",
    target: TARGET,
    format: "esm",
    splitting: true,
    chunkNames: "[name]-[hash]",
    minify: true,
    // Names of classes and functions are what a log and a stack are read by.
    keepNames: true,
    legalComments: "none",
    sourcemap: "external",
    metafile: true,
    // What a package has as ES modules can be loaded in part and on demand.
    mainFields: ["module", "main"],
    external: ["@azure/functions-core"],
    banner: { js: REQUIRE },
    plugins: [ownPlaces(join(root, "src")), englishOnly, withoutDriversLogins],
    logLevel: "warning",
  });
  if (warnings.length > 0) throw new Error(`esbuild warns of ${warnings.length} things`);
  refuseDynamicCommonJs(metafile);
  return metafile;
}

/** The npm package that a file belongs to; undefined for our own. */
export function packageOf(path: string): string | undefined {
  return /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path.replaceAll("\\", "/"))?.[1];
}
