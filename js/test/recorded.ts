/** The messages that the Python tests record and check as well. */

import file from "../../tests/widget/fixtures/messages.json";

export interface RecordedReply {
  content: Record<string, unknown> & { kind: string };
  buffers: string[];
  mask?: string[];
}

export const image = file.image;
export const requests: Record<string, unknown>[] = file.requests;
export const replies = file.replies as unknown as RecordedReply[];

export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

export function rows(mask: Uint8Array, width: number): string[] {
  const lines: string[] = [];
  for (let start = 0; start < mask.length; start += width) {
    lines.push(
      Array.from(mask.subarray(start, start + width), (bit) => (bit ? "#" : ".")).join(""),
    );
  }
  return lines;
}
