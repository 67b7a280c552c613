import { checkFileName, type ModelDirectory } from "./model-directory.js";
import { openUrlSource, type UrlSourceOptions } from "./url-source.js";

/** A directory behind a base URL. A query (`?token=…`) is kept for every file. It cannot list its files. */
export function createUrlDirectory(base: string | URL, options: Omit<UrlSourceOptions, "signal"> = {}): ModelDirectory {
  const root = new URL(base);
  if (!root.pathname.endsWith("/")) root.pathname += "/";
  return {
    location: String(base),
    async open(name, openOptions) {
      checkFileName(name, root.href);
      const url = new URL(root);
      url.pathname += encodeURIComponent(name);
      return openUrlSource(url, { ...options, ...openOptions });
    },
  };
}
