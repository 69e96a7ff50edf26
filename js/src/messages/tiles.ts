/** Tiles of a large picture. */

import { isCount, isText, registerReply } from "../protocol";

export interface TileReply {
  kind: "tile";
  id: string;
  level: number;
  column: number;
  row: number;
  mime: string;
}

declare module "../protocol" {
  interface Requests {
    tile: { level: number; column: number; row: number };
  }
  interface Replies {
    tile: TileReply;
  }
}

registerReply("tile", { id: isText, level: isCount, column: isCount, row: isCount, mime: isText });
