/**
 * Compiles `assembly/`, the tuned baselines, to WebAssembly and writes the bytes as string constants to `src/generated/`
 * (not under version control): once with SIMD, once with relaxed SIMD.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const root = new URL("../", import.meta.url);
const binaries = [
  { module: "baselines-simd", constant: "baselinesSimd", options: ["--enable", "simd"] },
  {
    module: "baselines-relaxed",
    constant: "baselinesRelaxed",
    options: ["--enable", "simd", "--enable", "relaxed-simd"],
  },
];

await mkdir(new URL("src/generated/", root), { recursive: true });
for (const { module, constant, options } of binaries) {
  let bytes;
  const { error, stderr } = await asc.main(
    [
      ...["assembly/index.ts", "--outFile", "out.wasm", "--runtime", "stub", "--importMemory"],
      ...["--noAssert", "--use", "abort=", "-O3", "--converge", "--baseDir", fileURLToPath(root), ...options],
    ],
    { writeFile: (_, contents) => (bytes = contents) },
  );
  if (error) {
    process.stderr.write(`${stderr}\n`);
    throw error;
  }
  const source = `/** Made by scripts/build-wasm.mjs from assembly/: ${bytes.length} bytes of WebAssembly, base64. */
export const ${constant}: string =
  "${Buffer.from(bytes).toString("base64")}";
`;
  await writeFile(new URL(`src/generated/${module}.ts`, root), source);
  process.stdout.write(`${module}: ${bytes.length} bytes\n`);
}
