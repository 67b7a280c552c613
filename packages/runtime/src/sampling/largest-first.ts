/**
 * Selection of the best scores without sorting a whole vocabulary. Order everywhere: higher score first, equal scores by
 * lower index.
 */

/** Indices of the `count` largest scores, best first. NaN must not occur. */
export function largestFirst(scores: ArrayLike<number>, count: number): number[] {
  const wanted = Math.min(count, scores.length);
  if (wanted <= 0) return [];
  const worse = (a: number, b: number): boolean => {
    const difference = (scores[a] as number) - (scores[b] as number);
    return difference < 0 || (!(difference > 0) && scores[a] === scores[b] && a > b);
  };

  // A heap of the best so far with its worst element at the root: a new index enters only by beating the root.
  const heap: number[] = [];
  for (let index = 0; index < scores.length; index++) {
    if (heap.length < wanted) {
      heap.push(index);
      siftUp(heap, worse);
    } else if (worse(heap[0] as number, index)) {
      heap[0] = index;
      siftDown(heap, worse);
    }
  }
  return heap.sort((a, b) => (worse(a, b) ? 1 : -1));
}

type IsWorse = (a: number, b: number) => boolean;

function siftUp(heap: number[], worse: IsWorse): void {
  let child = heap.length - 1;
  while (child > 0) {
    const parent = (child - 1) >> 1;
    if (!worse(heap[child] as number, heap[parent] as number)) return;
    swap(heap, child, parent);
    child = parent;
  }
}

function siftDown(heap: number[], worse: IsWorse): void {
  let parent = 0;
  for (;;) {
    let child = 2 * parent + 1;
    if (child >= heap.length) return;
    if (child + 1 < heap.length && worse(heap[child + 1] as number, heap[child] as number)) child++;
    if (!worse(heap[child] as number, heap[parent] as number)) return;
    swap(heap, child, parent);
    parent = child;
  }
}

function swap(heap: number[], a: number, b: number): void {
  const held = heap[a] as number;
  heap[a] = heap[b] as number;
  heap[b] = held;
}
