// Line charts side by side as SVG, in the colours of the reader's light or dark scheme.

/** @property values one for each place on the x axis; NaN leaves it out */
export type Line = { readonly label: string; readonly values: readonly number[] };

export type Panel = { readonly title: string; readonly lines: readonly Line[] };

/** @property limit a dashed line across every panel */
export type Chart = {
  readonly title: string;
  readonly xLabel: string;
  readonly xTicks: readonly string[];
  readonly yTicks: readonly number[];
  readonly formatY: (value: number) => string;
  readonly limit?: number;
  readonly columns: number;
  readonly panels: readonly Panel[];
};

const [PLOT_WIDTH, PLOT_HEIGHT] = [190, 120];
const [GAP_X, GAP_Y] = [52, 58];
const [LEFT, TOP] = [52, 76];

/** Of lines by their place in a panel, so that nobody has to tell colours apart. */
const DASHES = ["", "7 3", "2 3", "9 3 2 3"];
const MARKERS = [
  "M-3-3H3V3H-3Z",
  "M0-4L4 3H-4Z",
  "M0-4.5L4.5 0L0 4.5L-4.5 0Z",
  "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0Z",
];

const STYLE = `
  svg { --paper: #ffffff; --ink: #1f2328; --faint: #d0d7de; --c0: #0969da; --c1: #bc4c00; --c2: #1a7f37; --c3: #8250df }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #e6edf3; --faint: #3d444d; --c0: #6cb6ff; --c1: #ff9b5e; --c2: #6bd08a; --c3: #c8a5ff }
  }
  text { font: 11px system-ui, sans-serif; fill: var(--ink) }
  .title { font-size: 14px; font-weight: 600 }
  .panel { font-weight: 600 }
  .grid { stroke: var(--faint); fill: none }
  .limit { stroke: var(--ink); stroke-dasharray: 4 3; fill: none }
  .line { fill: none; stroke-width: 1.8 }
`;

/** Draws a chart whose panels share both axes. */
export function drawChart(chart: Chart): string {
  const { title, columns, panels } = chart;
  const rows = Math.ceil(panels.length / columns);
  const width = LEFT + columns * (PLOT_WIDTH + GAP_X);
  const height = TOP + rows * (PLOT_HEIGHT + GAP_Y);
  const drawn = panels.map((panel, i) => {
    const x = LEFT + (i % columns) * (PLOT_WIDTH + GAP_X);
    const y = TOP + Math.floor(i / columns) * (PLOT_HEIGHT + GAP_Y);
    return `<g transform="translate(${x} ${y})">\n${drawPanel(chart, panel)}\n</g>`;
  });
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect width="${width}" height="${height}" fill="var(--paper)"/>`,
    `<text class="title" x="${LEFT}" y="22">${escaped(title)}</text>`,
    drawLegend(panels[0]!.lines),
    ...drawn,
    "</svg>",
  ].join("\n")}\n`;
}

function drawLegend(lines: readonly Line[]): string {
  return lines
    .map(({ label }, i) => {
      const x = LEFT + i * 200;
      return (
        `<path class="line" ${strokeOf(i)} d="M${x} 40h30"/>` +
        `<path transform="translate(${x + 15} 40)" fill="var(--c${i})" d="${MARKERS[i]}"/>` +
        `<text x="${x + 36}" y="44">${escaped(label)}</text>`
      );
    })
    .join("\n");
}

function drawPanel({ xLabel, xTicks, yTicks, formatY, limit }: Chart, { title, lines }: Panel): string {
  const [low, high] = [yTicks[0]!, yTicks.at(-1)!];
  const x = (place: number) => rounded((place * PLOT_WIDTH) / (xTicks.length - 1));
  const y = (value: number) => rounded((PLOT_HEIGHT * (high - value)) / (high - low));
  const rows = yTicks.map(
    (tick) =>
      `<path class="grid" d="M0 ${y(tick)}H${PLOT_WIDTH}"/>` +
      `<text x="-6" y="${y(tick) + 4}" text-anchor="end">${escaped(formatY(tick))}</text>`,
  );
  const columns = xTicks.map(
    (tick, i) => `<text x="${x(i)}" y="${PLOT_HEIGHT + 15}" text-anchor="middle">${escaped(tick)}</text>`,
  );
  const curves = lines.map(({ label, values }, i) => {
    const points = values.flatMap((value, place) => (Number.isNaN(value) ? [] : [[x(place), y(value)]]));
    const markers = points.map(
      ([left, top]) => `<path transform="translate(${left} ${top})" fill="var(--c${i})" d="${MARKERS[i]}"/>`,
    );
    return (
      `<g><title>${escaped(label)}</title>` +
      `<path class="line" ${strokeOf(i)} d="M${points.map((point) => point.join(" ")).join("L")}"/>` +
      `${markers.join("")}</g>`
    );
  });
  return [
    `<text class="panel" x="0" y="-9">${escaped(title)}</text>`,
    ...rows,
    ...columns,
    `<text x="${PLOT_WIDTH / 2}" y="${PLOT_HEIGHT + 30}" text-anchor="middle">${escaped(xLabel)}</text>`,
    ...(limit === undefined ? [] : [`<path class="limit" d="M0 ${y(limit)}H${PLOT_WIDTH}"/>`]),
    ...curves,
  ].join("\n");
}

function strokeOf(i: number): string {
  return `stroke="var(--c${i})" stroke-dasharray="${DASHES[i]}"`;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
