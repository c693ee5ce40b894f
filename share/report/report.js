// The report's charts and tables, from the JSON of the element "data" (lua/vega/report.lua: page_data). Texts go into the page as text, never as
// HTML; styles are set through properties, which the page's content policy allows.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const BLUE = "#3566a8", RED = "#c8553d", GREY = "#b9c3d3", DARK = "#6b6b6b", GOLD = "#b8860b";
  const goals = new Map(data.objectives.map((o) => [o.name, o.goal]));
  const columnOf = new Map(data.columns.map((c, i) => [c.key, i]));
  const valueNames = data.columns.filter((c) => !c.left && c.key !== "id").map((c) => c.title);        // what an axis may show
  const placeOf = new Map(data.columns.map((c, i) => [c.title, i]));
  const ID = columnOf.get("id"), STATE = columnOf.get("state"), WALL = columnOf.get("wall"), REASON = columnOf.get("reason");
  const rowOf = new Map(data.rows.map((row) => [row[ID], row]));
  let violating = new Set(data.violating), onFront = new Set(data.front);

  // Elements ---------------------------------------------------------------------------------------------------------------------------------

  const find = (id) => document.getElementById(id);
  function make(tag, properties, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }
  function show(v) {
    if (v === null || v === undefined) return "";
    if (typeof v !== "number") return String(v);
    return Number.isInteger(v) ? String(v) : String(Number(v.toPrecision(5)));
  }
  function selector(label, names, chosen, onChange) {
    const list = make("select", { onchange: () => onChange(list.value) }, ...names.map((n) => make("option", { value: n, textContent: n })));
    list.value = chosen;
    return make("label", {}, label + " ", list);
  }

  // Charts -----------------------------------------------------------------------------------------------------------------------------------

  const charts = new Map();
  const tooltip = { renderMode: "richText", confine: true };
  function draw(id, height, option, onClick) {
    const place = find("chart-" + id);
    if (!place) return;
    if (!charts.has(id)) {
      place.replaceChildren();
      place.style.height = height + "px";
      const chart = echarts.init(place, null, { renderer: "svg" });
      charts.set(id, chart);
      if (onClick) chart.on("click", onClick);
    }
    charts.get(id).setOption({ animation: false, textStyle: { fontFamily: "system-ui, sans-serif" }, ...option }, true);
  }
  addEventListener("resize", () => charts.forEach((chart) => chart.resize()));

  const upward = (name) => ({ type: "value", scale: true, name, axisLine: { onZero: false }, nameTextStyle: { align: "left" }, nameTruncate: { maxWidth: 220 } });
  const isComplete = (row) => row[STATE] === "COMPLETE";
  const isFailed = (row) => row[STATE] === "FAILED" || row[STATE] === "ABANDONED";
  const valueOf = (row, name) => row[placeOf.get(name)];
  function sample(list, most) {
    if (list.length <= most) return list;
    return Array.from({ length: most }, (_, i) => list[Math.floor((i * list.length) / most)]);
  }

  // Search progress --------------------------------------------------------------------------------------------------------------------------

  let progressBy = "trial", progressName = data.objectives[0].name;
  function drawProgress() {
    const goal = goals.get(progressName), better = goal === "max" ? (a, b) => a > b : (a, b) => a < b;
    const byWall = progressBy === "wall time", x = (row) => (byWall ? row[WALL] : row[ID]);
    const rows = data.rows.filter((row) => x(row) !== null).sort((a, b) => x(a) - x(b));
    const line = [], dots = [], failed = [];
    let best = null;
    for (const row of rows) {
      const v = isComplete(row) ? valueOf(row, progressName) : null;
      if (v !== null && v !== undefined) {
        dots.push([x(row), v, row[ID]]);
        if (!violating.has(row[ID]) && (best === null || better(v, best))) {
          best = v;
          line.push([x(row), v, row[ID]]);
        }
      } else if (isFailed(row) && best !== null) failed.push([x(row), best, row[ID], row[REASON]]);
    }
    if (rows.length && best !== null) line.push([x(rows[rows.length - 1]), best]);
    const series = [
      { name: "trials", type: "scatter", symbolSize: 3, itemStyle: { color: GREY }, data: sample(dots, data.sample) },
      { name: "best so far", type: "line", step: "end", showSymbol: false, lineStyle: { color: BLUE }, itemStyle: { color: BLUE }, data: line },
      { name: "failed trials", type: "scatter", symbol: "triangle", symbolSize: 7, itemStyle: { color: RED }, data: sample(failed, 300) }];
    if (data.random && !byWall && progressName === data.objectives[0].name) {
      series.push({ name: "random search, median", type: "line", showSymbol: false, lineStyle: { color: DARK, type: "dashed" },
        itemStyle: { color: DARK }, data: data.random });
    }
    find("note-progress").textContent = dots.length > data.sample ? `Of ${dots.length} trials a sample of ${data.sample} is drawn as dots.` : "";
    draw("progress-trial", 380, {
      tooltip: { ...tooltip, formatter: (p) => (p.value[2] ? `trial ${p.value[2]}: ` : "") + show(p.value[1]) + (p.value[3] ? "\n" + p.value[3] : "") },
      legend: { top: 0 }, grid: { left: 70, right: 20, top: 40, bottom: 70 }, dataZoom: [{ type: "inside", filterMode: "none" }, { type: "slider", height: 18, bottom: 8 }],
      xAxis: { type: "value", min: "dataMin", max: "dataMax", name: byWall ? "seconds since the study began" : "trial", nameLocation: "middle", nameGap: 22 },
      yAxis: upward(progressName), series }, (p) => pick(p.value[2]));
  }
  function startProgress() {
    const bar = find("bar-progress");
    if (!bar) return;
    const second = find("chart-progress-wall");                     // one chart with a switch takes the place of both pictures
    if (second) second.remove();
    const has = data.rows.some((row) => row[WALL] !== null);
    bar.append(selector("over", has ? ["trial", "wall time"] : ["trial"], progressBy, (v) => { progressBy = v; drawProgress(); }),
      selector("objective", [...goals.keys()], progressName, (v) => { progressName = v; drawProgress(); }));
    drawProgress();
  }

  // Front ------------------------------------------------------------------------------------------------------------------------------------

  let frontX = data.objectives.length > 1 ? data.objectives[1].name : null, frontY = data.objectives[0].name;
  const cost = (row, name) => (goals.get(name) === "max" ? -valueOf(row, name) : valueOf(row, name));
  function frontLine() {
    if (!goals.has(frontX) || !goals.has(frontY)) return [];
    const rows = [...onFront].map((id) => rowOf.get(id)).filter(Boolean).sort((a, b) => cost(a, frontX) - cost(b, frontX) || cost(a, frontY) - cost(b, frontY));
    const line = [];
    let least = Infinity;
    for (const row of rows) {
      if (cost(row, frontY) >= least) continue;
      least = cost(row, frontY);
      line.push([valueOf(row, frontX), valueOf(row, frontY), row[ID]]);
    }
    return line;
  }
  function drawFront() {
    const point = (row) => [valueOf(row, frontX), valueOf(row, frontY), row[ID]];
    const all = data.rows.filter((row) => isComplete(row) && !onFront.has(row[ID]) && valueOf(row, frontX) !== null && valueOf(row, frontY) !== null);
    const shown = all.length > data.most_drawn ? sample(all, data.sample) : all;
    const best = [...onFront].map((id) => rowOf.get(id)).filter(Boolean).map(point);
    const knee = rowOf.get(data.knee);
    const series = [{ name: "trials", type: "scatter", symbolSize: 5, itemStyle: { color: GREY }, data: shown.map(point) },
      { name: "front", type: "scatter", symbolSize: 8, itemStyle: { color: RED }, data: best },
      { name: "front", type: "line", step: "end", showSymbol: false, silent: true, lineStyle: { color: RED, width: 1 }, itemStyle: { color: RED }, data: frontLine() }];
    if (knee) {
      series.push({ name: "knee", type: "scatter", symbol: "diamond", symbolSize: 15, itemStyle: { color: GOLD }, data: [point(knee)] });
    }
    draw("front", 420, {
      tooltip: { ...tooltip, formatter: (p) => `trial ${p.value[2]}\n${frontX} ${show(p.value[0])}\n${frontY} ${show(p.value[1])}` },
      legend: { top: 0, data: ["trials", "front", "knee"] }, grid: { left: 70, right: 20, top: 40, bottom: 45 }, dataZoom: [{ type: "inside", xAxisIndex: 0, filterMode: "none" }],
      xAxis: { type: "value", scale: true, name: frontX, nameLocation: "middle", nameGap: 26, axisLine: { onZero: false } }, yAxis: upward(frontY), series },
    (p) => pick(p.value[2]));
  }
  function startFront() {
    const bar = find("bar-front");
    if (!bar || !frontX) return;
    bar.append(selector("across", valueNames, frontX, (v) => { frontX = v; drawFront(); }),
      selector("up", valueNames, frontY, (v) => { frontY = v; drawFront(); }), "A click on a point shows its trial.");
    drawFront();
  }

  // A trial: its card, or what the table knows of it.
  function pick(id) {
    if (!id) return;
    const card = find("trial-" + id), row = rowOf.get(id), place = find("picked");
    if (card) {
      card.open = true;
      location.hash = "trial-" + id;
      card.scrollIntoView({ block: "start" });
    } else if (row && place) {
      const words = data.columns.map((c, i) => (row[i] === null ? null : `${c.title} ${show(row[i])}`)).filter(Boolean);
      place.textContent = words.join(", ") + ". It has no card; `vega-lua study trials` prints its architecture.";
      place.scrollIntoView({ block: "center" });
    }
  }
  addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest('a[href^="#trial-"]');
    if (!link) return;
    event.preventDefault();
    pick(Number(link.getAttribute("href").slice(7)));
  });

  // The table of trials ----------------------------------------------------------------------------------------------------------------------

  const table = { column: null, down: false, page: 0, size: 50, filter: "all" };
  function tableRows() {
    const filters = { all: () => true, front: (r) => onFront.has(r[ID]), complete: isComplete, failed: isFailed };
    const rows = data.rows.filter(filters[table.filter]);
    const first = placeOf.get(data.objectives[0].name), sign = data.objectives[0].goal === "max" ? -1 : 1;
    if (table.column === null) {
      const rank = (r) => (onFront.has(r[ID]) ? 0 : isComplete(r) ? (violating.has(r[ID]) ? 2 : 1) : 3);
      return rows.sort((a, b) => rank(a) - rank(b) || (a[first] - b[first]) * sign || a[ID] - b[ID]);
    }
    const k = table.column, way = table.down ? -1 : 1;
    return rows.sort((a, b) => {
      if (a[k] === null || b[k] === null) return (a[k] === null) - (b[k] === null);
      return (a[k] < b[k] ? -1 : a[k] > b[k] ? 1 : a[ID] - b[ID]) * way;
    });
  }
  const plainCell = (v) => (typeof v === "string" && /^[=+@\t\r]/.test(v) ? "'" + v : show(v));      // no formula in a spreadsheet
  const FORMATS = {
    CSV: (head, rows) => [head, ...rows].map((r) => r.map((v) => {
      const s = plainCell(v);
      return /[",\n\r]/.test(s) ? '"' + s.replace(/"/g, '""') + '"' : s;
    }).join(",")).join("\n") + "\n",
    Markdown: (head, rows) => {
      const line = (r) => "| " + r.map((v) => show(v).replace(/[\\|]/g, "\\$&").replace(/\n/g, " ").replace(/</g, "&lt;")).join(" | ") + " |";
      return [line(head), "|" + " --- |".repeat(head.length), ...rows.map(line)].join("\n") + "\n";
    },
    LaTeX: (head, rows) => {
      const special = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}" };
      const line = (r) => r.map((v) => show(v).replace(/[\\~^&%$#_{}]/g, (c) => special[c] || "\\" + c)).join(" & ") + " \\\\";
      return `\\begin{tabular}{${"r".repeat(head.length)}}\n\\hline\n${line(head)}\n\\hline\n${rows.map(line).join("\n")}\n\\hline\n\\end{tabular}\n`;
    },
  };
  function copy(format, place, all) {
    const rows = tableRows(), from = table.page * table.size;
    const text = FORMATS[format](data.columns.map((c) => c.title), all ? rows : rows.slice(from, from + table.size));
    const area = make("textarea", { value: text, readOnly: true });
    place.replaceChildren(area);
    area.select();
    let done = false;
    try { done = document.execCommand("copy"); } catch { done = false; }
    place.append(make("p", { className: "note", textContent: done ? "Copied." : "Copy it from here." }));
  }
  function drawTable() {
    const place = find("table-results");
    if (!place) return;
    const rows = tableRows(), pages = Math.max(1, Math.ceil(rows.length / table.size));
    table.page = Math.min(table.page, pages - 1);
    const head = make("tr", {}, ...data.columns.map((c, i) => {
      const th = make("th", { className: c.left ? "l" : "", textContent: c.title + (table.column === i ? (table.down ? " ▼" : " ▲") : ""),
        onclick: () => { table.down = table.column === i && !table.down; table.column = i; table.page = 0; drawTable(); } });
      th.dataset.sort = i;
      return th;
    }));
    const body = rows.slice(table.page * table.size, (table.page + 1) * table.size).map((row) => make("tr",
      { className: onFront.has(row[ID]) ? "front" : isFailed(row) ? "failed" : "" }, ...row.map((v, i) => {
        const cell = make("td", { className: data.columns[i].left ? "l" : "" });
        if (i === ID) cell.append(make("a", { href: "#trial-" + v, textContent: v }));
        else cell.textContent = show(v);
        return cell;
      })));
    const output = make("div", {});
    const button = (textContent, onclick, disabled) => make("button", { textContent, onclick, disabled: !!disabled });
    const turn = (page) => () => { table.page = page; drawTable(); };
    const jump = make("input", { type: "number", min: 1, placeholder: "trial", onchange: () => {
      const at = rows.findIndex((row) => row[ID] === Number(jump.value));
      if (at >= 0) { table.page = Math.floor(at / table.size); drawTable(); }
    } });
    jump.style.width = "6em";
    place.replaceChildren(
      make("div", { className: "bar" }, selector("show", ["all", "front", "complete", "failed"], table.filter, (v) => { table.filter = v; table.page = 0; drawTable(); }),
        selector("rows", ["10", "50", "200", "1000"], String(table.size), (v) => { table.size = Number(v); drawTable(); }),
        button("«", turn(0), table.page === 0), button("‹", turn(table.page - 1), table.page === 0), `page ${table.page + 1} of ${pages}`,
        button("›", turn(table.page + 1), table.page >= pages - 1), button("»", turn(pages - 1), table.page >= pages - 1), make("label", {}, "jump to ", jump),
        "copy this page as", ...Object.keys(FORMATS).map((f) => button(f, () => copy(f, output, false))), button("all as CSV", () => copy("CSV", output, true))),
      make("div", { className: "wide" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body))), output);
  }

  // Decisions --------------------------------------------------------------------------------------------------------------------------------

  function drawParallel() {
    const p = data.parallel;
    if (!p) return;
    const axes = p.axes.map((a, i) => ({ dim: i, name: a.name, nameTextStyle: { fontSize: 10, width: 80, overflow: "truncate" },
      ...(a.labels ? { type: "category", data: a.labels, axisLabel: { fontSize: 9, width: 70, overflow: "truncate" } }
        : { type: a.log ? "log" : "value", scale: true, axisLabel: { fontSize: 9 } }) }));
    const color = p.axes.length - p.objectives, values = p.lines.map((l) => l[color]).filter((v) => v !== null);
    const low = Math.min(...values), high = Math.max(...values), good = ["#c8553d", "#e0b95a", "#3566a8"];
    draw("parallel", 460, {
      parallelAxis: axes, parallel: { left: 60, right: 70, top: 75, bottom: 60, parallelAxisDefault: { nameLocation: "end", nameRotate: 20 } },
      visualMap: { dimension: color, min: low, max: high > low ? high : low + 1, orient: "horizontal", left: "center", bottom: 5, itemHeight: 120, precision: 4, calculable: false,
        text: [show(high), show(low)], inRange: { color: p.axes[color].goal === "max" ? good : [...good].reverse() } },
      series: { type: "parallel", smooth: false, progressive: 500, lineStyle: { width: 1, opacity: 0.25 }, data: p.lines.map((l) => l.map((v) => (v === null ? "-" : v))) } });
  }
  function drawImportance() {
    const list = data.importance && [...data.importance].reverse();
    if (!list) return;
    draw("importance", 40 + 22 * list.length + 30, { tooltip: { ...tooltip, formatter: (p) => `${p.name}: ${(100 * p.value).toFixed(1)} %` },
      grid: { left: 180, right: 60, top: 10, bottom: 30 }, xAxis: { type: "value", min: 0, axisLabel: { formatter: (v) => (100 * v).toFixed(0) + " %" } },
      yAxis: { type: "category", data: list.map((e) => e.name), axisLabel: { width: 160, overflow: "truncate" } },
      series: { type: "bar", itemStyle: { color: BLUE }, data: list.map((e) => e.share), label: { show: true, position: "right", formatter: (p) => (100 * p.value).toFixed(1) + " %" } } });
  }
  function drawFrequency() {
    const rows = data.frequency;
    if (!rows) return;
    const widest = Math.max(...rows.map((r) => r.values.length)), cells = [];
    rows.forEach((r, y) => r.values.forEach((v, x) => cells.push([x, rows.length - 1 - y, v.share, v.label, v.overall, r.name])));
    draw("frequency", 60 + 26 * rows.length, {
      tooltip: { ...tooltip, formatter: (p) => `${p.value[5]} = ${p.value[3]}\nbest trials ${(100 * p.value[2]).toFixed(1)} %\nall trials ${(100 * p.value[4]).toFixed(1)} %` },
      grid: { left: 180, right: 20, top: 10, bottom: 40 }, xAxis: { type: "category", show: false, data: Array.from({ length: widest }, (_, i) => i) },
      yAxis: { type: "category", data: rows.map((r) => r.name).reverse(), axisLabel: { width: 160, overflow: "truncate" } },
      visualMap: { min: 0, max: 1, dimension: 2, orient: "horizontal", left: "center", bottom: 0, itemHeight: 120, text: ["100 %", "0 %"], inRange: { color: ["#ffffff", BLUE] } },
      series: { type: "heatmap", data: cells, itemStyle: { borderColor: "#eee", borderWidth: 1 }, label: { show: true, fontSize: 10, width: Math.floor(760 / widest) - 8, overflow: "truncate",
        formatter: (p) => `${(100 * p.value[2]).toFixed(0)} % ${p.value[3]}` } } });
  }

  // The live view ----------------------------------------------------------------------------------------------------------------------------

  function merge(news) {
    for (const row of news.rows) {
      const old = rowOf.get(row[ID]);
      if (old) row.forEach((v, i) => { old[i] = v; });
      else {
        data.rows.push(row);
        rowOf.set(row[ID], row);
      }
    }
    news.violating.forEach((id) => violating.add(id));
    onFront = new Set(news.front);
    data.knee = news.knee;
    const counts = Object.entries(news.counts).sort().map(([state, n]) => `${n} ${state.toLowerCase()}`);
    find("counts").textContent = `${data.rows.length} trials: ${counts.join(", ")}`;
    find("front-size").textContent = news.front.length;
    if (find("hypervolume") && news.hypervolume !== undefined) find("hypervolume").textContent = show(news.hypervolume);
    if (charts.has("progress-trial")) drawProgress();
    if (charts.has("front")) drawFront();
    drawTable();
  }
  function follow() {
    const state = find("live-state");
    let seq = data.live.seq, tag = null, pause = 2000;
    async function poll() {
      try {
        const answer = await fetch(`${data.live.url}?after=${seq}`, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
        if (answer.status === 200) {
          const news = await answer.json();
          if (news.layout !== data.live.layout) return void (state.textContent = "Another kind of value has come up: load the page again.");
          tag = answer.headers.get("ETag");
          seq = news.seq;
          merge(news);
          state.textContent = `${news.status.toLowerCase()}, event ${seq}. Cards, importance and cost are those of when the page was loaded.`;
        } else if (answer.status !== 304) state.textContent = `The server answers ${answer.status}.`;
        pause = document.hidden ? 15000 : 2000;
      } catch {
        state.textContent = "The server does not answer.";
        pause = Math.min(30000, pause * 2);
      }
      setTimeout(poll, pause);
    }
    poll();
  }

  startProgress();
  startFront();
  drawTable();
  drawParallel();
  drawImportance();
  drawFrequency();
  if (data.live) follow();
  if (location.hash.startsWith("#trial-")) pick(Number(location.hash.slice(7)));
})();
