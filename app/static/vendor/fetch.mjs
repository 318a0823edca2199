// Builds this folder from npm packages at exact versions: `node app/static/vendor/fetch.mjs`.
//
// The built files are committed, so nobody needs node to install the product. Each file's package,
// version, licence and SHA-256 stand in MANIFEST.json; a test compares them with what is here.
// Icons that a style sheet carries as data: addresses become files of their own, because our
// content security policy allows nothing but 'self'.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const SHIPPED = {
  "@tabler/core": "1.6.1",
  "htmx.org": "4.0.1",
  "tus-js-client": "4.3.1",
  "hls.js": "1.7.4",
};
const BUILDERS = { sass: "1.108.2" };
const PLAIN = {
  "htmx.min.js": ["htmx.org", "dist/htmx.min.js"],
  "tus.min.js": ["tus-js-client", "dist/tus.min.js"],
  "hls.light.min.js": ["hls.js", "dist/hls.light.min.js"],
};

const made = new Map(); // file name -> package
const work = mkdtempSync(join(tmpdir(), "vendor-"));
const inPackage = (name, path) => join(work, "node_modules", name, path);

function install() {
  writeFileSync(join(work, "package.json"), '{"private": true}');
  const wanted = Object.entries({ ...SHIPPED, ...BUILDERS }).map(([name, version]) => `${name}@${version}`);
  execFileSync("npm", ["install", "--silent", "--no-audit", "--no-fund", "--save-exact", ...wanted], { cwd: work, stdio: "inherit" });
}

function put(name, from, content) {
  writeFileSync(join(HERE, name), content);
  made.set(name, from);
}

/** Take `url("data:image/svg+xml,…")` out of a style sheet and give each icon a file. */
function iconsToFiles(css, prefix) {
  const icons = new Map();
  return css.replace(/url\("data:image\/svg\+xml,([^"]*)"\)/g, (_, encoded) => {
    const svg = decodeURIComponent(encoded.replace(/%(?![0-9a-fA-F]{2})/g, "%25"));
    if (!icons.has(svg)) {
      const name = `${prefix}-${icons.size + 1}.svg`;
      icons.set(svg, name);
      put(name, "@tabler/core", svg + "\n");
    }
    return `url("${icons.get(svg)}")`;
  });
}

async function styles() {
  const sass = await import(inPackage("sass", "sass.node.mjs"));
  const built = sass.compile(join(HERE, "tabler.scss"), {
    style: "compressed",
    loadPaths: [inPackage("@tabler/core", "scss")],
    logger: sass.Logger.silent,
  });
  const css = iconsToFiles(built.css.replace(/^\uFEFF/, ""), "tabler-icon");
  if (css.includes("data:") || css.includes("http:")) throw new Error("an address is left in the style sheet");
  put("tabler.min.css", "@tabler/core", `/* Tabler ${SHIPPED["@tabler/core"]}, MIT licence, a part of it: see tabler.scss */\n${css}\n`);
}

function licences() {
  mkdirSync(join(HERE, "licences"), { recursive: true });
  for (const name of Object.keys(SHIPPED)) {
    const found = readdirSync(inPackage(name, "."))
      .filter((file) => /^(licen[cs]e|notice)/i.test(file) && statSync(inPackage(name, file)).isFile());
    for (const file of found) {
      const kept = `licences/${name.replace("@", "").replace("/", "-")}-${file.replace(/\.\w+$/, "")}.txt`;
      put(kept, name, readFileSync(inPackage(name, file)));
    }
  }
}

function manifest() {
  const files = [...made].sort(([a], [b]) => (a < b ? -1 : 1)).map(([file, name]) => {
    const described = JSON.parse(readFileSync(inPackage(name, "package.json")));
    const content = readFileSync(join(HERE, file));
    return {
      file, package: name, version: described.version, licence: described.license,
      bytes: content.length, sha256: createHash("sha256").update(content).digest("hex"),
    };
  });
  writeFileSync(join(HERE, "MANIFEST.json"), JSON.stringify({ builders: BUILDERS, files }, null, 2) + "\n");
}

try {
  install();
  for (const old of readdirSync(HERE).filter((file) => /\.(svg|min\.js|min\.css)$/.test(file))) rmSync(join(HERE, old));
  for (const [file, [name, path]] of Object.entries(PLAIN)) put(file, name, readFileSync(inPackage(name, path)));
  await styles();
  licences();
  manifest();
} finally {
  rmSync(work, { recursive: true, force: true });
}
