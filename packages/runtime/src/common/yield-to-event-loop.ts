/**
 * Lets timers, input and abort signals have their turn. Kernels may compute without ever waiting, and resolved promises
 * alone keep the event loop from anything else.
 */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    // Node: a macrotask without the millisecond of a timer. Browsers: a message does the same; timers are clamped there.
    if (typeof setImmediate === "function") {
      setImmediate(resolve);
      return;
    }
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      channel.port1.close();
      resolve();
    };
    channel.port2.postMessage(undefined);
  });
}
