import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createHardware,
  NPU_S,
  PAPER_PROFILE,
  PHI_1_5,
  paperFigure,
  priceGeneration,
  scheduledTrace,
  uniformTrace,
} from "@stepdown/npu-model";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { npu, npuJson } from "../npu/test-helper/run-npu.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepdown-npu-"));
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

const phi = ["--model", "phi-1_5", "--hardware", "NPU-S"];
const lengths = ["--prompt-tokens", "40", "--new-tokens", "20"];

describe("stepdown npu with a schedule", () => {
  it("prices exactly what the package prices, beside uniform and fp16", async () => {
    const { runs, ...rest } = await npuJson([...phi, ...lengths, "--schedule", "4,3@8"]);
    const workload = { promptTokens: 40, newTokens: 20 };
    const trace = scheduledTrace(workload, (index) => (index < 8 ? 4 : 3), 4);
    const price = (priced: typeof trace) => priceGeneration({ hardware: NPU_S, model: PHI_1_5, trace: priced });
    const [own, uniform, float] = [trace, uniformTrace(workload, 4), uniformTrace(workload, 16)].map(price);
    expect(rest).toMatchObject({ model: PHI_1_5.name, hardware: "NPU-S", profile: "physical", headBits: 16, batch: 1 });
    expect(runs.map((run: { name: string }) => run.name)).toEqual(["4,3@8", "uniform 4", "fp16"]);
    for (const [index, cost] of [own!, uniform!, float!].entries()) {
      expect(runs[index]).toMatchObject({
        averageBits: cost.averageBits,
        timeToFirstTokenSeconds: cost.timeToFirstTokenSeconds,
        tokensPerSecond: cost.tokensPerSecond,
        bytes: cost.bytes,
        macs: cost.macs,
        energy: cost.energy,
        bandwidthUtilization: cost.bandwidthUtilization,
        speedupOverFp16: cost.tokensPerSecond / float!.tokensPerSecond,
        speedupOverUniform: cost.tokensPerSecond / uniform!.tokensPerSecond,
      });
    }
    expect(runs[0]).not.toHaveProperty("steps");
  });

  it("adds operators and steps that add up to the whole", async () => {
    const { runs } = await npuJson([...phi, ...lengths, "--schedule", "4,3@8", "--operators", "--steps"]);
    const [run] = runs;
    const sum = (list: { seconds: number }[]) => list.reduce((total, entry) => total + entry.seconds, 0);
    expect(run.steps.map((step: { bits: number }) => step.bits)).toEqual([...Array(8).fill(4), ...Array(11).fill(3)]);
    expect(sum(run.steps) / run.decodeSeconds).toBeCloseTo(1, 9);
    expect(sum(run.operators.decode) / run.decodeSeconds).toBeCloseTo(1, 9);
    expect(sum(run.operators.prefill) / run.timeToFirstTokenSeconds).toBeCloseTo(1, 3);
  });

  it("reproduces a published bar with the paper's profile, and says that the prompt is not charged", async () => {
    const vicuna = ["--model", "vicuna-7b", "--hardware", "npu-l", "--prompt-tokens", "1000", "--new-tokens", "101"];
    const args = [...vicuna, "--profile", "paper", "--schedule", "3"];
    const { runs } = await npuJson(args);
    expect(runs[0].tokensPerSecond).toBeCloseTo(11.95, 2);
    expect(runs[0].speedupOverFp16).toBeCloseTo(4.892, 3);
    expect(runs[0].timeToFirstTokenSeconds).toBeNull();
    expect((await npu(args)).stdout).toMatch(/time to first token +not charged/);
  });

  it("shows several schedules, uniform ones once, and a percentage of the answer", async () => {
    const { runs } = await npuJson([...phi, ...lengths, "--schedule", "4", "--schedule", "8:4,3@50%"]);
    expect(runs.map((run: { name: string }) => run.name)).toEqual(["4", "8:4,3@50%", "fp16"]);
    expect(runs[1]).toMatchObject({ prefillBits: 8, averageBits: (10 * 4 + 9 * 3) / 19 });
  });

  it("prints a table of the same figures", async () => {
    const { stdout } = await npu([...phi, ...lengths, "--schedule", "4,3@8", "--operators", "--steps"]);
    expect(stdout).toMatch(/4,3@8 +uniform 4 +fp16/);
    for (const title of ["tokens/s", "energy per token", "bandwidth in use", "multiply-accumulates", "average bits"])
      expect(stdout).toContain(title);
    expect(stdout).toMatch(/head +[\d.]+ ms/);
    expect(stdout).toMatch(/\n18 +3 +58 /);
  });

  it("takes a nested model's codec and head from its config.json, but not for fp16", async () => {
    const directory = await mkdtemp(join(folder, "nested-"));
    const config = {
      model_type: "llama",
      hidden_size: 64,
      intermediate_size: 128,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      vocab_size: 100,
      max_position_embeddings: 30,
    };
    const nested = {
      quant_method: "stepdown",
      format_version: 1,
      codec: "codebook",
      seed_bits: 2,
      bits: 4,
      head_bits: 8,
    };
    const path = join(directory, "config.json");
    await writeFile(path, JSON.stringify({ ...config, quantization_config: nested }));
    const args = ["--hardware", "NPU-S", ...lengths, "--schedule", "4"];
    const fromModel = await npuJson(["--model", directory, ...args]);
    expect(fromModel).toMatchObject({ codec: { codec: "codebook" }, headBits: 8 });
    expect(await npuJson(["--model", path, ...args, "--head-bits", "16"])).toMatchObject({ headBits: 16 });
    await writeFile(path, JSON.stringify(config));
    const plain = await npuJson(["--model", path, ...args]);
    expect(plain).toMatchObject({ codec: { codec: "plain" }, headBits: 16 });
    expect(fromModel.runs[0].bytes).not.toBe(plain.runs[0].bytes);
    expect(fromModel.runs[1].bytes).toBe(plain.runs[1].bytes);
    expect((await npu(["--model", path, ...args])).stderr).toMatch(/59 positions.*30/);
  });

  it("takes a hardware file, with infinities, and names the key that cannot be", async () => {
    const path = join(folder, "hardware.json");
    const settings = {
      name: "mine",
      compute: { kind: "macs", macsPerCycle: "Infinity" },
      bandwidthBytesPerSecond: 1e9,
      weightBufferBytes: "Infinity",
    };
    await writeFile(path, JSON.stringify(settings));
    const { runs } = await npuJson(["--model", "phi-1_5", "--hardware", path, ...lengths, "--schedule", "4"]);
    const hardware = createHardware({
      ...settings,
      compute: { kind: "macs", macsPerCycle: Number.POSITIVE_INFINITY },
      weightBufferBytes: Number.POSITIVE_INFINITY,
    });
    const trace = uniformTrace({ promptTokens: 40, newTokens: 20 }, 4);
    expect(runs[0].seconds).toBe(priceGeneration({ hardware, model: PHI_1_5, trace }).seconds);
    await writeFile(path, JSON.stringify({ ...settings, bandwith: 1 }));
    const failed = await npu(["--model", "phi-1_5", "--hardware", path, "--schedule", "4"]);
    expect(failed).toMatchObject({ exitCode: 1, stdout: "" });
    expect(failed.stderr).toMatch(/hardware\.json.*hardware\.bandwith/);
  });
});

describe("stepdown npu figure", () => {
  it("prints all bars with errors and labels, and how good the model is", async () => {
    const document = await npuJson(["figure"]);
    expect(document.bars).toEqual(JSON.parse(JSON.stringify(paperFigure())));
    expect(document).toMatchObject({ profile: PAPER_PROFILE.name, evidenceBars: 28 });
    expect(document.rootMeanSquareError).toBeLessThan(0.003);
    expect(document.largestError).toBeLessThan(0.007);
    const { stdout } = await npu(["figure"]);
    expect(stdout).toMatch(/CNN\/DM vicuna-7b-v1\.5 +fp16 +16\.00 +2\.44 +2\.44 +\+0\.14 % +1\.00×/);
    expect(stdout).toMatch(/learned +3\.10\* +55\.82 +55\.76 +\+0\.10 % +4\.39× +4\.4×/);
  });

  it("writes a picture, a page that needs nothing else, and the specification; nothing half-written", async () => {
    const out = await mkdtemp(join(folder, "figure-"));
    for (const ending of ["svg", "html", "json"])
      expect(await npu(["figure", "--out", join(out, `figure.${ending}`)])).toMatchObject({
        exitCode: 0,
        stderr: `wrote ${join(out, `figure.${ending}`)}\n`,
      });
    expect((await readdir(out)).sort()).toEqual(["figure.html", "figure.json", "figure.svg"]);
    const page = await readFile(join(out, "figure.html"), "utf8");
    const specification = JSON.parse(await readFile(join(out, "figure.json"), "utf8"));
    const inside = /<script type="application\/json" id="vega-lite">(.*?)<\/script>/s.exec(page);
    expect(JSON.parse(inside![1]!)).toEqual(specification);
    expect(page).toContain((await readFile(join(out, "figure.svg"), "utf8")).trim());
    expect(page).not.toMatch(/<(script|link|img)[^>]*(src|href)=/);
    expect(page).toContain("root mean square error");
  });

  it("that cannot be written leaves nothing behind", async () => {
    const out = await mkdtemp(join(folder, "figure-"));
    expect(await npu(["figure", "--out", join(out, "no", "figure.svg")])).toMatchObject({ exitCode: 1 });
    expect(await npu(["figure", "--out", join(out, "figure.png")])).toMatchObject({ exitCode: 2 });
    expect(await readdir(out)).toEqual([]);
  });

  it("shows less with everything charged", async () => {
    const paper = await npuJson(["figure"]);
    const physical = await npuJson(["figure", "--profile", "physical"]);
    expect(physical.promptTokens.IWSLT).toBe(120);
    for (const [index, bar] of physical.bars.entries())
      expect(bar.tokensPerSecond).toBeLessThan(paper.bars[index].tokensPerSecond);
  });
});

describe("stepdown npu roofline, sweep and explain", () => {
  it("roofline puts every operator under the roof", async () => {
    const { passes } = await npuJson([
      "roofline",
      ...phi,
      "--bits",
      "2,16",
      "--context",
      "100",
      "--prompt-tokens",
      "64",
    ]);
    expect(passes.map((pass: { phase: string; bits: number }) => [pass.phase, pass.bits])).toEqual([
      ["decode", 2],
      ["prefill", 2],
      ["decode", 16],
      ["prefill", 16],
    ]);
    for (const pass of passes)
      for (const point of pass.points)
        expect(point.macsPerSecond).toBeLessThanOrEqual(point.roofMacsPerSecond * (1 + 1e-9));
    expect((await npu(["roofline", ...phi, "--phase", "decode"])).stdout).toMatch(/limit below 128\.0 MACs per byte/);
  });

  it("sweep separates memory from compute at the break-even line", async () => {
    const lists = ["--bandwidths", "32,8", "--macs", "4,65536", "--bits", "4"];
    const { points, breakEven } = await npuJson(["sweep", "--model", "phi-1_5", ...lists, ...lengths]);
    expect(points).toHaveLength(4);
    for (const point of points) {
      const line = breakEven.find(
        (entry: { bandwidthBytesPerSecond: number }) => entry.bandwidthBytesPerSecond === point.bandwidthBytesPerSecond,
      );
      expect(point.decodeLimit).toBe(point.macsPerCycle < line.decodeMacsPerCycle ? "compute" : "memory");
    }
    const { stdout } = await npu(["sweep", "--model", "phi-1_5", ...lists, ...lengths]);
    expect(stdout).toContain("Break-even");
  });

  it("explain says in words what limits each operator", async () => {
    const { stdout } = await npu(["explain", ...phi, "--bits", "4", "--context", "1000"]);
    expect(stdout).toMatch(/64\.00 MACs per cycle keep up/);
    expect(stdout).toMatch(/A decode pass of one token at 1000 cached tokens .* limited by memory/);
    expect(stdout).toMatch(/- head at 16 bits.*Fewer bits for the head/);
    expect(stdout).toMatch(/- mlp\.fc1 at 4 bits in 24 blocks.*limited by compute/);
    const { passes } = await npuJson(["explain", ...phi, "--minimum-share", "0"]);
    for (const pass of passes)
      expect(pass.operators.reduce((sum: number, entry: { share: number }) => sum + entry.share, 0)).toBeCloseTo(1, 6);
  });
});

describe("bad input to stepdown npu ends in one clear line", () => {
  it.each([
    [["figrue"], 2, /Did you mean figure\?/],
    [[], 2, /--model/],
    [["--model", "phi-1-5", "--hardware", "NPU-S", "--schedule", "4"], 2, /Did you mean microsoft\/phi-1_5\?/],
    [["--model", "phi-1_5", "--hardware", "NPU-XS", "--schedule", "4"], 2, /Did you mean NPU-S\?.*NPU-L/],
    [["--model", "./nowhere", "--hardware", "NPU-S", "--schedule", "4"], 1, /\.\/nowhere/],
    [[...phi, "--schedule", "4", "--profile", "phisical"], 2, /Did you mean physical\?/],
    [[...phi, "--schedule", "4", "--codec", "codebok"], 2, /Did you mean codebook\?/],
    [[...phi, "--schedule", "4", "--group-size", "64", "--codec", "plain"], 2, /--group-size/],
    [[...phi, "--schedule", "4", "--codec", "bcq", "--group-size", "100"], 2, /groupSize/],
    [[...phi], 2, /--schedule.*--trace/],
    [[...phi, "--schedule", "3,4@5"], 2, /3,4@5/],
    [[...phi, "--schedule", "4", "--trace", "x.json"], 2, /--trace/],
    [[...phi, "--trace", "x.json"], 1, /x\.json/],
    [[...phi, "--schedule", "4", "--new-tokens", "1"], 2, /whole number/],
    [["roofline", ...phi, "--bits", "2,9"], 2, /1 to 8, 16 or 32/],
    [["sweep", "--model", "phi-1_5", "--macs", "0"], 2, /above 0/],
    [["sweep", "--model", "phi-1_5", "--new-tokens", "1000000"], 2, /coarser grid/],
  ] as const)("%j", async (args, exitCode, message) => {
    const run = await npu(args);
    expect(run.stderr).toMatch(message);
    expect(run.stderr.trim().split("\n")).toHaveLength(1);
    expect(run).toMatchObject({ exitCode, stdout: "" });
  });
});
