import { fileURLToPath } from "node:url";

/** Where the embedded story model lies; the same from `src` and from the bundled `dist`. */
export const embeddedModelPath: string = fileURLToPath(new URL("../assets/tiny-stories", import.meta.url));
