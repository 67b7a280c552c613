// Compares tooling/arrows.json (who may import whom) with every package.json and every import of the sources.
// Tests may use their package's devDependencies; published code may not.
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { filesBelow, readJson, root, workspacePackages } from "./lib.mjs";

const arrows = readJson(join(root, "tooling/arrows.json"));
const problems = [];
const importPattern = /(?:from\s+|import\s*\(\s*|import\s+|new URL\(\s*)["'](@stepdown\/[a-z0-9-]+)/g;

for (const { name, folder, path, manifest } of workspacePackages()) {
  const allowed = arrows[folder];
  if (allowed === undefined) {
    problems.push(`${name}: not in tooling/arrows.json; add its row`);
    continue;
  }
  const declared = Object.keys({
    ...manifest.dependencies,
    ...manifest.peerDependencies,
    ...manifest.optionalDependencies,
  });
  const development = Object.keys(manifest.devDependencies ?? {});
  for (const dependency of declared.filter((d) => d.startsWith("@stepdown/"))) {
    if (!allowed.includes(dependency.slice("@stepdown/".length))) {
      problems.push(`${name}: package.json depends on ${dependency}, which its row does not allow`);
    }
  }
  for (const file of filesBelow(join(path, "src")).filter((f) => /\.(ts|mts|js|mjs)$/.test(f))) {
    const isTest = /\.test\.ts$|\/test-(support|helper)\//.test(file);
    for (const [, target] of readFileSync(file, "utf8").matchAll(importPattern)) {
      if (target === name) continue;
      const known = isTest ? [...declared, ...development] : declared;
      if (!known.includes(target)) {
        problems.push(
          `${relative(root, file)}: imports ${target}, which package.json does not list${isTest ? "" : " as a dependency"}`,
        );
      } else if (!isTest && !allowed.includes(target.slice("@stepdown/".length))) {
        problems.push(`${relative(root, file)}: imports ${target}, which its row does not allow`);
      }
    }
  }
}
for (const folder of Object.keys(arrows)) {
  if (!workspacePackages().some((p) => p.folder === folder))
    problems.push(`tooling/arrows.json names ${folder}, which does not exist`);
}

for (const problem of problems) process.stderr.write(`${problem}\n`);
if (problems.length > 0) {
  process.stderr.write(
    `${problems.length} arrow(s) wrong; the table is docs/architecture.md, its data tooling/arrows.json\n`,
  );
  process.exitCode = 1;
} else {
  process.stdout.write("arrows: every import and dependency follows the table\n");
}
