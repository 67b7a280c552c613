/**
 * Compiles `assembly/` to WebAssembly with AssemblyScript and writes the bytes twice: as a string constant that bundlers
 * need no configuration for (`src/generated/`, not under version control) and as a file in `dist/` for those who serve or
 * pre-compile it. One entry per binary; the same source makes all.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const root = new URL("../", import.meta.url);

/** Source, name of the generated module, exported constant, file in `dist`, further compiler options. */
const binaries = [
  {
    entry: "index",
    module: "kernels-simd",
    constant: "kernelsSimd",
    file: "kernels.wasm",
    options: ["--enable", "simd,threads"],
  },
  {
    entry: "index",
    module: "kernels-relaxed",
    constant: "kernelsRelaxed",
    file: "kernels-relaxed.wasm",
    options: ["--enable", "simd,relaxed-simd,threads"],
  },
  {
    entry: "gradient",
    module: "gradient-simd",
    constant: "gradientSimd",
    file: "gradient.wasm",
    // Without copies of the packing in every caller: a third smaller, as fast.
    options: ["--enable", "simd", "--shrinkLevel", "2"],
  },
];

await mkdir(new URL("src/generated/", root), { recursive: true });
await mkdir(new URL("dist/", root), { recursive: true });
for (const { entry, module, constant, file, options } of binaries) {
  const { error, stderr } = await asc.main([
    `assembly/${entry}.ts`,
    "--outFile",
    `dist/${file}`,
    "--runtime",
    "stub",
    "--importMemory",
    // All of 4 GiB. A declared maximum is what memory shared between threads needs.
    "--maximumMemory",
    "65536",
    "--noAssert",
    "--use",
    "abort=",
    "-O3",
    "--converge",
    "--baseDir",
    fileURLToPath(root),
    ...options,
  ]);
  if (error) {
    process.stderr.write(`${stderr}\n`);
    throw error;
  }
  const bytes = await readFile(new URL(`dist/${file}`, root));
  const source = `/** Made by scripts/build-wasm.mjs from assembly/: ${bytes.length} bytes of WebAssembly, base64. */
export const ${constant}: string =
  "${bytes.toString("base64")}";
`;
  await writeFile(new URL(`src/generated/${module}.ts`, root), source);
  process.stdout.write(`${file}: ${bytes.length} bytes\n`);
}
