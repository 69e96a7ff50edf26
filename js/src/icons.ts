/** Icons on a 16 x 16 grid, drawn with the text's colour. */

const PATHS = {
  positive: '<circle cx="8" cy="8" r="5.5"/><path d="M8 5.5v5M5.5 8h5"/>',
  negative: '<rect x="2.75" y="2.75" width="10.5" height="10.5" rx="2"/><path d="M5.5 8h5"/>',
  undo: '<path d="M5.5 3 2.5 6l3 3"/><path d="M2.5 6h6.75a4 4 0 0 1 0 8H6.5"/>',
  redo: '<path d="m10.5 3 3 3-3 3"/><path d="M13.5 6H6.75a4 4 0 0 0 0 8H9.5"/>',
  reset:
    '<path d="M2.75 4.25h10.5M6.25 4V2.5h3.5V4M4.25 4.25l.6 9.25h6.3l.6-9.25M6.75 7v3.75M9.25 7v3.75"/>',
  fit: '<path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10"/>',
  mask: '<path d="M1.5 8s2.4-4.25 6.5-4.25S14.5 8 14.5 8 12.1 12.25 8 12.25 1.5 8 1.5 8Z"/><circle cx="8" cy="8" r="1.9"/>',
  views:
    '<rect x="2" y="2.5" width="12" height="11" rx="1"/><rect x="7" y="7" width="4.5" height="4" stroke-dasharray="1.6 1.2"/>',
  back: '<path d="M10 3 5 8l5 5"/>',
  forward: '<path d="m6 3 5 5-5 5"/>',
  check: '<path d="m3 8.5 3.25 3.25L13 5"/>',
  skip: '<path d="m3 4 4.5 4L3 12ZM8.5 4 13 8l-4.5 4Z"/>',
  images:
    '<rect x="2" y="4.5" width="9.5" height="9" rx="1"/><path d="M5 2.5h8a1 1 0 0 1 1 1V11M3.5 11.5 6 8.5l1.8 2 1.2-1.2 2 2.2"/>',
  note: '<path d="M3 2.75h10v7.5L10 13.25H3Z"/><path d="M10 13V10.25h2.75M5.5 5.75h5M5.5 8.25h3"/>',
  close: '<path d="m4 4 8 8M12 4l-8 8"/>',
  warning: '<path d="M8 2.25 14.25 13H1.75Z"/><path d="M8 6.5v3M8 11.25v.2"/>',
} as const;

export type Icon = keyof typeof PATHS;

export function icon(name: Icon): SVGElement {
  const holder = document.createElement("template");
  holder.innerHTML = `<svg class="iseg-icon" viewBox="0 0 16 16" aria-hidden="true">${PATHS[name]}</svg>`;
  return holder.content.firstElementChild as SVGElement;
}
