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
  loupe:
    '<circle cx="6.75" cy="6.75" r="4.5"/><path d="m10.25 10.25 3.5 3.5M6.75 4.75v4M4.75 6.75h4"/>',
  display:
    '<path d="M2.5 4.5h6M12 4.5h1.5M2.5 11.5H4M8 11.5h5.5"/><circle cx="10.25" cy="4.5" r="1.75"/><circle cx="6" cy="11.5" r="1.75"/>',
  two: '<rect x="2" y="3" width="12" height="10" rx="1"/><path d="M8 3v10"/>',
  box: '<rect x="2.5" y="3.5" width="11" height="9" rx="0.5" stroke-dasharray="2.4 1.6"/>',
  scribble:
    '<path d="M2 11.5c2.2-6.6 3.9-6.6 4.3-2.9.3 2.7 1.5 3.3 2.7.8C10.2 6.8 11.6 5.2 14 4.5"/><circle cx="4" cy="7" r=".4"/><circle cx="8" cy="10.4" r=".4"/><circle cx="11.6" cy="5.8" r=".4"/>',
  brush:
    '<path d="M13.5 2.5c-3 1.7-5 3.7-6.3 6l1.3 1.3c2.3-1.3 4.3-3.3 6-6.3Z"/><path d="M6.3 9.4c-1.6-.3-2.7.7-2.9 2-.1.9-.6 1.5-1.4 1.8 2.3.7 5 .2 5.4-2"/>',
  eraser:
    '<path d="m8.75 3.25 4 4-5.5 5.5h-2.5l-2-2a1 1 0 0 1 0-1.5Z"/><path d="m5.75 6.25 4 4M7 12.75h6.5"/>',
  lasso:
    '<ellipse cx="8" cy="6.25" rx="5.75" ry="3.75"/><path d="M4.25 9.25c-1.5.9-1.3 2.5.2 2.3 1.2-.2 1.5-1.2.7-2.1M4.75 11.5c.2 1 0 1.8-.8 2.5"/>',
  scissors:
    '<path d="M5.2 5.2 13 11.5M5.2 10.8 13 4.5"/><circle cx="3.9" cy="4.25" r="1.75"/><circle cx="3.9" cy="11.75" r="1.75"/>',
  polygon:
    '<path d="M8 2.75 13.25 6.5l-2 6.5h-6.5l-2-6.5Z"/><g fill="currentColor"><circle cx="8" cy="2.75" r="1"/><circle cx="13.25" cy="6.5" r="1"/><circle cx="11.25" cy="13" r="1"/><circle cx="4.75" cy="13" r="1"/><circle cx="2.75" cy="6.5" r="1"/></g>',
  fill: '<path d="m7 2.5 5.5 5.5-4.7 4.7a1.2 1.2 0 0 1-1.7 0L2.5 9.1a1.2 1.2 0 0 1 0-1.7Z"/><path d="M2.5 8.25h9.7M13.75 10.5c.7 1 1 1.6 1 2.1a1 1 0 0 1-2 0c0-.5.3-1.1 1-2.1Z"/>',
  threshold:
    '<path d="M2 12.5c3.5 0 4-9 6-9s2.5 9 6 9"/><path d="M2 8h12" stroke-dasharray="1.8 1.4"/>',
  soft: '<circle cx="8" cy="8" r="2" fill="currentColor"/><circle cx="8" cy="8" r="3.9" opacity=".65"/><circle cx="8" cy="8" r="5.9" opacity=".35"/>',
  select: '<path d="m3.5 2.5 9 5.25-4 1-1.75 3.75Z"/>',
  objects: '<path d="m8 2 6 3-6 3-6-3Z"/><path d="m2 8 6 3 6-3"/><path d="m2 11 6 3 6-3"/>',
  history:
    '<path d="M2.5 8a5.5 5.5 0 1 0 1.75-4"/><path d="M4.5 1.75V4.5H1.75M8 5v3.25l2.25 1.5"/>',
  hidden:
    '<path d="M1.5 8s2.4-4.25 6.5-4.25S14.5 8 14.5 8 12.1 12.25 8 12.25 1.5 8 1.5 8Z"/><path d="m3 13 10-10"/>',
  lock: '<rect x="3.5" y="7" width="9" height="6.5" rx="1"/><path d="M5.5 7V5a2.5 2.5 0 0 1 5 0v2"/>',
  unlock:
    '<rect x="3.5" y="7" width="9" height="6.5" rx="1"/><path d="M5.5 7V5a2.5 2.5 0 0 1 4.75-1"/>',
  close: '<path d="m4 4 8 8M12 4l-8 8"/>',
  more: '<g fill="currentColor"><circle cx="3" cy="8" r=".9"/><circle cx="8" cy="8" r=".9"/><circle cx="13" cy="8" r=".9"/></g>',
  warning: '<path d="M8 2.25 14.25 13H1.75Z"/><path d="M8 6.5v3M8 11.25v.2"/>',
  layers: '<path d="M8 2.5 14 6 8 9.5 2 6Z"/><path d="m2.75 9.25 5.25 3.1 5.25-3.1"/>',
  robot:
    '<rect x="3" y="5.5" width="10" height="7.5" rx="1.5"/><path d="M8 5.5V3M8 2.6v.1M6 8.6v.6M10 8.6v.6M6.25 11h3.5M1.5 8.5v2M14.5 8.5v2"/>',
} as const;

export type Icon = keyof typeof PATHS;

export function icon(name: Icon): SVGElement {
  const holder = document.createElement("template");
  holder.innerHTML = `<svg class="iseg-icon" viewBox="0 0 16 16" aria-hidden="true">${PATHS[name]}</svg>`;
  return holder.content.firstElementChild as SVGElement;
}
