/** What the WebAssembly module exports. Pointers and strides are bytes; a pointer of 0 stands for "absent". */
export interface KernelExports {
  heapBase(): number;
  isRelaxed(): number;

  /** Takes parts from the board of `threads/board.ts` until none are left. */
  shareParts(board: number): void;
  serveParts(board: number, looks: number): number;

  transposePlane(plane: number, rows: number, columns: number): void;
  packNibbles(
    planes: number,
    planeBytes: number,
    rows: number,
    columns: number,
    bits: number,
    nibbles: number,
    labels: number,
  ): void;
  packBytes(
    planes: number,
    planeBytes: number,
    rows: number,
    columns: number,
    bits: number,
    target: number,
    labels: number,
  ): void;
  hasNonFiniteHalf(weights: number, count: number): number;

  dotDense32(weights: number, rows: number, columns: number, x: number, output: number, bias: number): void;
  dotDense16(
    weights: number,
    rows: number,
    columns: number,
    x: number,
    output: number,
    bias: number,
    brain: boolean,
  ): void;
  dotCodebook(
    planes: number,
    planeBytes: number,
    rows: number,
    groups: number,
    columns: number,
    bits: number,
    table: number,
    finite: boolean,
    x: number,
    output: number,
    bias: number,
    scratch: number,
  ): void;
  splitActivations(x: number, columns: number, target: number): number;
  dotUniform(
    nibbles: number,
    scales: number,
    rows: number,
    columns: number,
    bits: number,
    split: number,
    output: number,
    bias: number,
  ): void;
  dotBytes(
    weights: number,
    scales: number,
    rows: number,
    columns: number,
    bits: number,
    fine: number,
    split: number,
    splitBytes: number,
    tokens: number,
    output: number,
    outputBytes: number,
    bias: number,
  ): void;

  packPaired(source: number, rowBytes: number, rows: number, blocks: number, target: number): void;
  packPairedCodes(source: number, rows: number, groups: number, bits: number, target: number): void;
  buildTables(
    x: number,
    blocks: number,
    groupBlocks: number,
    partBlocks: number,
    factors: number,
    tables: number,
  ): number;
  dotPaired(
    planes: number,
    planeBytes: number,
    rows: number,
    blocks: number,
    groupBlocks: number,
    partBlocks: number,
    bits: number,
    codes: number,
    steps: number,
    offsets: number,
    factors: number,
    tables: number,
    output: number,
    bias: number,
    scratch: number,
  ): void;
  dotPairedTokens(
    planes: number,
    planeBytes: number,
    rows: number,
    blocks: number,
    groupBlocks: number,
    partBlocks: number,
    bits: number,
    codes: number,
    steps: number,
    offsets: number,
    factors: number,
    factorBytes: number,
    tables: number,
    tableBytes: number,
    tokens: number,
    output: number,
    outputBytes: number,
    bias: number,
    scratch: number,
  ): void;
  roundActivations(
    x: number,
    blocks: number,
    groupBlocks: number,
    partBlocks: number,
    factors: number,
    target: number,
  ): number;
  multiplyPaired(
    planes: number,
    planeBytes: number,
    rows: number,
    blocks: number,
    groupBlocks: number,
    partBlocks: number,
    bits: number,
    codes: number,
    steps: number,
    offsets: number,
    factors: number,
    factorBytes: number,
    rounded: number,
    tokens: number,
    output: number,
    outputBytes: number,
    bias: number,
    scratch: number,
  ): void;

  dequantizeDense(weights: number, rows: number, columns: number, brain: boolean, target: number): void;
  dequantizeCodebook(
    planes: number,
    planeBytes: number,
    rows: number,
    columns: number,
    bits: number,
    table: number,
    finite: boolean,
    target: number,
    scratch: number,
  ): void;
  dequantizeBytes(weights: number, scales: number, rows: number, columns: number, bits: number, target: number): void;
  dequantizeUniform(nibbles: number, scales: number, rows: number, columns: number, bits: number, target: number): void;
  dequantizeBinaryCoded(
    planes: number,
    planeBytes: number,
    rows: number,
    columns: number,
    realColumns: number,
    bits: number,
    groupSize: number,
    codes: number,
    steps: number,
    offsets: number,
    target: number,
    scratch: number,
  ): void;
  dequantizePaired(
    planes: number,
    planeBytes: number,
    row: number,
    count: number,
    columns: number,
    realColumns: number,
    bits: number,
    groupSize: number,
    codes: number,
    steps: number,
    offsets: number,
    target: number,
  ): void;
  multiplyTile(
    tile: number,
    rows: number,
    columns: number,
    x: number,
    tokens: number,
    output: number,
    outputBytes: number,
    bias: number,
  ): void;

  rmsNormalize(input: number, weight: number, epsilon: number, output: number, tokens: number, columns: number): void;
  layerNormalize(
    input: number,
    weight: number,
    bias: number,
    epsilon: number,
    output: number,
    tokens: number,
    columns: number,
  ): void;
  rotate(
    target: number,
    cosines: number,
    sines: number,
    tokens: number,
    heads: number,
    headDimension: number,
    half: number,
  ): void;
  storeHead(
    source: number,
    sourceBytes: number,
    target: number,
    scales: number,
    tokens: number,
    dimension: number,
    padded: number,
    form: number,
  ): number;
  readHead(
    source: number,
    scales: number,
    target: number,
    positions: number,
    dimension: number,
    padded: number,
    form: number,
  ): void;
  attend(
    keys: number,
    values: number,
    keyScales: number,
    valueScales: number,
    form: number,
    dimension: number,
    padded: number,
    queries: number,
    output: number,
    tokenBytes: number,
    tokens: number,
    group: number,
    position: number,
    window: number,
    scaleBits: number,
    scratch: number,
    rowLimit: number,
    least: number,
    limit: number,
    keep: number,
  ): void;
  mergeAttention(
    scratch: number,
    partBytes: number,
    parts: number,
    dimension: number,
    padded: number,
    output: number,
    tokenBytes: number,
    tokens: number,
    group: number,
    rowLimit: number,
  ): void;
  add(target: number, source: number, length: number): void;
  siluMultiply(gate: number, up: number, length: number): void;
  softmaxRows(buffer: number, rows: number, columns: number): void;
}
