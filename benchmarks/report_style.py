"""The look of the report page and the little that it does: sortable tables, plots in the colours of the reader."""

CSS = """
:root { --ink:#1c2330; --soft:#5d6778; --line:#dfe3ea; --paper:#f6f7f9; --card:#fff; --accent:#4269d0; --bad:#b3261e;
  color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink:#e6e9ef; --soft:#9aa4b5; --line:#2d3442; --paper:#12151b;
  --card:#1a1f28; --accent:#7f9cf0; --bad:#ff8a80; } }
* { box-sizing: border-box; }
body { margin:0; background:var(--paper); color:var(--ink); font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
  "Helvetica Neue",Arial,sans-serif; }
main { max-width:1360px; margin:0 auto; padding:28px 24px 80px; }
h1 { font-size:28px; margin:0 0 4px; letter-spacing:-.01em; overflow-wrap:anywhere; }
h2 { font-size:21px; margin:44px 0 12px; } h3 { font-size:15px; margin:0 0 2px; }
p { margin:4px 0 12px; } .soft { color:var(--soft); font-size:13.5px; }
nav { margin:14px 0 0; display:flex; gap:16px; flex-wrap:wrap; font-size:14px; }
a { color:var(--accent); text-decoration:none; } a:hover { text-decoration:underline; }
.badge { display:inline-block; padding:1px 9px; border-radius:99px; border:1px solid var(--line); font-size:13px; }
.badge.partial { color:var(--bad); border-color:var(--bad); }
.tiles { display:grid; grid-template-columns:repeat(auto-fit,minmax(140px,1fr)); gap:12px; margin:20px 0; }
.card { background:var(--card); border:1px solid var(--line); border-radius:12px; padding:16px 18px; margin:0 0 18px; }
.tiles .card { margin:0; padding:12px 16px; } .tiles b { display:block; font-size:21px; font-weight:600; }
.pair { display:grid; grid-template-columns:minmax(0,1fr) minmax(0,1fr); gap:18px; }
@media (max-width:960px) { .pair { grid-template-columns:minmax(0,1fr); } }
.scroll { overflow-x:auto; }
table { border-collapse:collapse; width:100%; font-size:13px; font-variant-numeric:tabular-nums; }
th,td { padding:6px 7px; border-bottom:1px solid var(--line); text-align:right; white-space:nowrap; }
th { color:var(--soft); font-weight:600; vertical-align:bottom; } tbody tr:last-child td { border-bottom:0; }
th small { display:block; font-weight:400; }
th button { all:unset; cursor:pointer; } th button:focus-visible { outline:2px solid var(--accent); }
th[aria-sort=ascending] button::after { content:" ▲"; } th[aria-sort=descending] button::after { content:" ▼"; }
th.text,td.text { text-align:left; } td.wrap { white-space:normal; overflow-wrap:anywhere; min-width:220px; }
td.bad { color:var(--bad); } tbody tr:hover td { background:color-mix(in srgb,var(--accent) 7%,transparent); }
svg.range { vertical-align:middle; } svg.range .axis { stroke:var(--soft); stroke-dasharray:2 2; }
svg.range .span { stroke:var(--accent); stroke-width:3; stroke-linecap:round; } svg.range circle { fill:var(--ink); }
details summary { cursor:pointer; color:var(--accent); } details[open] summary { margin-bottom:10px; }
pre { margin:0; font-size:12.5px; white-space:pre-wrap; overflow-wrap:anywhere; }
"""

JS = """
function sortBy(button) {
  const head = button.closest("th"), body = head.closest("table").tBodies[0], place = head.cellIndex;
  const up = head.getAttribute("aria-sort") === "descending";
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const value = row => row.cells[place].dataset.value;
  const known = v => v !== "", text = head.classList.contains("text");
  [...body.rows].sort((a, b) => {
    const x = value(a), y = value(b);
    if (!known(x) || !known(y)) return known(y) - known(x);
    const order = text ? x.localeCompare(y) : Number(x) - Number(y);
    return up ? order : -order;
  }).forEach(row => body.append(row));
}
document.querySelectorAll("th button").forEach(button => button.addEventListener("click", () => sortBy(button)));

const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
function draw() {
  for (const plot of document.querySelectorAll(".plot")) {
    const figure = JSON.parse(document.getElementById(plot.dataset.figure).textContent);
    const axis = {gridcolor: style("--line"), zerolinecolor: style("--soft"), linecolor: style("--line"),
                  automargin: true, separatethousands: true, exponentformat: "none"};
    const layout = {...figure.layout,
      xaxis: {...axis, ...figure.layout.xaxis}, yaxis: {...axis, ...figure.layout.yaxis},
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", separators: ".,",
      font: {family: "system-ui, sans-serif", size: 12.5, color: style("--ink")},
      legend: {orientation: "h", y: -0.2, yanchor: "top", x: 0, ...figure.layout.legend}, showlegend: true,
      margin: {l: 60, r: 16, t: 30, b: 50},
      modebar: {bgcolor: "rgba(0,0,0,0)", color: style("--soft"), activecolor: style("--accent")},
      hoverlabel: {align: "left", namelength: -1}};
    Plotly.react(plot, figure.data, layout, {displaylogo: false, responsive: true,
      modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]]});
  }
}
draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
"""
