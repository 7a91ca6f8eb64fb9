// The maps: one trace for each group, one for what was found, one for what is nearest to it.
"use strict";
(() => {
  const LIGHT = ["#0b6e99", "#b3541e", "#4b7f1d", "#8a3fb0", "#b02a4f", "#6b5b00"];
  const DARK = ["#5cc1e8", "#f0995c", "#9ccf5f", "#cf9bec", "#f58aa8", "#d9c34a"];
  const OFFERED = 20;
  const SHAPES = ["circle", "square", "diamond", "triangle-up", "cross", "star"];
  const night = matchMedia("(prefers-color-scheme: dark)");
  const canvas = document.createElement("canvas");
  const kind = canvas.getContext("webgl2") || canvas.getContext("webgl") ? "scattergl" : "scatter";
  const fold = (text) => text.normalize("NFKC").toLowerCase().trim();

  document.querySelectorAll("[data-map]").forEach((holder) => {
    const name = holder.dataset.map, data = JSON.parse(document.getElementById(name + "-data").textContent);
    const plot = document.getElementById(name), said = holder.querySelector(".nearest");
    const input = holder.querySelector("input"), folded = data.texts.map(fold), words = data.kind === "word";
    const short = matchMedia("(max-width: 40rem)").matches, n = data.groups.length;

    const look = () => {
      const style = getComputedStyle(document.documentElement), of = (key) => style.getPropertyValue(key).trim();
      return { ink: of("--ink"), soft: of("--soft"), line: of("--line"), paper: of("--paper"), card: of("--card"),
               colours: night.matches ? DARK : LIGHT };
    };
    const marker = (group, at) => ({
      color: at.colours[group % 6], size: words ? 5 : 6, opacity: 0.75,
      symbol: SHAPES[(group + Math.floor(group / 6)) % 6],
    });
    const whole = (axis) => {
      const low = Math.min(...data[axis]), high = Math.max(...data[axis]), margin = 0.05 * (high - low) || 0.1;
      return [low - margin, high + margin];
    };
    const breaks = (text) => text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign])
      .replace(/(.{1,60})(\s|$)/g, "$1<br>").replace(/<br>$/, "");
    const places = (numbers, axis) => numbers.map((i) => data[axis][i]);
    const members = data.groups.map((_, group) => data.group.flatMap((g, i) => g === group ? [i] : []));

    const traces = (at) => [
      ...data.groups.map((title, group) => ({
        type: kind, mode: "markers", name: breaks(title), x: places(members[group], "x"), y: places(members[group], "y"),
        text: members[group].map((i) => breaks(data.texts[i])), customdata: members[group],
        marker: marker(group, at), hovertemplate: "%{text}<br><i>" + breaks(title) + "</i><extra></extra>",
      })),
      { type: kind, mode: "markers", x: [], y: [], text: [], customdata: [], showlegend: false,
        marker: { color: "rgba(0,0,0,0)", size: 13, line: { color: at.ink, width: 1.5 } },
        hovertemplate: "%{text}<extra></extra>" },
      { type: kind, mode: "markers", x: [], y: [], text: [], customdata: [], showlegend: false,
        marker: { color: at.ink, size: 12, symbol: "star-diamond" }, hovertemplate: "%{text}<extra></extra>" },
    ];
    const layout = (at) => ({
      paper_bgcolor: at.paper, plot_bgcolor: at.paper, font: { color: at.ink, family: "system-ui, sans-serif", size: 12 },
      margin: { l: 4, r: 4, t: 4, b: 4 }, dragmode: short ? false : "pan", hovermode: "closest",
      legend: { orientation: "h", y: -0.02, itemsizing: "constant", font: { color: at.ink } },
      hoverlabel: { bgcolor: at.card, bordercolor: at.line, font: { color: at.ink }, align: "left" },
      xaxis: { visible: false, range: whole("x") }, yaxis: { visible: false, range: whole("y") },
      annotations: [],
    });
    const drawing = Plotly.newPlot(plot, traces(look()), layout(look()), {
      displaylogo: false, responsive: true, scrollZoom: !short, displayModeBar: !short,
      modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
    });

    const label = (i, at, strong) => ({
      x: data.x[i], y: data.y[i], text: strong ? "<b>" + breaks(data.texts[i]) + "</b>" : breaks(data.texts[i]),
      showarrow: false, yshift: strong ? 16 : 12, font: { color: at.ink, size: strong ? 14 : 11 },
      bgcolor: at.paper, opacity: 0.9,
    });
    let chosen = null;
    const choice = (i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = data.texts[i];
      button.addEventListener("click", () => { input.value = data.texts[i]; show(i); input.focus(); });
      return button;
    };
    const show = (i) => {
      chosen = i;
      const near = data.nearest[i], at = look();
      const away = (j) => Math.hypot(data.x[j] - data.x[i], data.y[j] - data.y[i]);
      // Three in four of the nearest are in sight: the map may have put the others far away.
      const reach = 1.4 * Math.max(0.06, near.map(away).sort((a, b) => a - b)[Math.ceil(near.length * 0.75) - 1] || 0);
      const span = (axis) => [data[axis][i] - reach, data[axis][i] + reach];
      const named = [i];
      for (const j of near) {
        const covered = (k) => Math.abs(data.x[j] - data.x[k]) < reach * 0.2 && Math.abs(data.y[j] - data.y[k]) < reach * 0.08;
        if (!named.some(covered)) named.push(j);
      }
      Plotly.update(plot, {
        x: [places(near, "x"), [data.x[i]]], y: [places(near, "y"), [data.y[i]]],
        text: [near.map((j) => breaks(data.texts[j])), [breaks(data.texts[i])]], customdata: [near, [i]],
      }, {
        "xaxis.range": span("x"), "yaxis.range": span("y"),
        annotations: words ? named.map((j) => label(j, at, j === i)) : [],
      }, [n, n + 1]);
      const title = document.createElement("p"), list = document.createElement("ol");
      title.append(words ? "Nearest to " : "Nearest to: ", Object.assign(document.createElement("b"), {
        textContent: data.texts[i] }), ` (${data.groups[data.group[i]]})`);
      near.forEach((j, place) => {
        const item = document.createElement("li");
        item.append(choice(j), ` ${data.cosines[i][place].toFixed(2).replace("-", "−")}`);
        if (!words) item.append(` (${data.groups[data.group[j]]})`);
        list.append(item);
      });
      said.replaceChildren(title, list);
    };
    const reset = () => {
      chosen = null;
      Plotly.update(plot, { x: [[], []], y: [[], []], text: [[], []], customdata: [[], []] },
        { "xaxis.range": whole("x"), "yaxis.range": whole("y"), annotations: [] }, [n, n + 1]);
      said.replaceChildren();
    };
    const offer = (found) => {
      const title = document.createElement("p"), list = document.createElement("ol");
      title.textContent = (words ? `No word is “${input.value}” or begins with it. ` : "") +
        `${found.length.toLocaleString("en")} ${found.length === 1 ? "holds" : "hold"} “${input.value}”` + (found.length > OFFERED ? `, the first ${OFFERED}:` : ":");
      list.append(...found.slice(0, OFFERED).map((i) => {
        const item = document.createElement("li");
        item.append(choice(i));
        return item;
      }));
      said.replaceChildren(title, list);
    };
    const search = () => {
      const asked = fold(input.value);
      if (!asked) return;
      const exact = folded.indexOf(asked), prefix = words ? folded.findIndex((text) => text.startsWith(asked)) : -1;
      const found = exact >= 0 ? exact : prefix;
      if (found >= 0) { show(found); return; }
      const holding = folded.flatMap((text, i) => text.includes(asked) ? [i] : []);
      if (!words && holding.length === 1) { show(holding[0]); return; }
      reset();
      if (holding.length) { offer(holding); return; }
      const none = document.createElement("p");
      none.textContent = `“${input.value}” is not among the ${data.texts.length.toLocaleString("en")} ` +
        (words ? "words of this map; embedpipe similar looks in the whole vocabulary." : "sentences of this map.");
      said.replaceChildren(none);
    };

    if (words) {
      const list = document.createElement("datalist");
      list.id = name + "-texts";
      list.append(...data.texts.map((text) => Object.assign(document.createElement("option"), { value: text })));
      holder.append(list);
    }
    holder.querySelector("form").addEventListener("submit", (event) => { event.preventDefault(); search(); });
    input.addEventListener("input", () => { if (words && folded.includes(fold(input.value))) search(); });
    holder.querySelector(".whole").addEventListener("click", reset);
    night.addEventListener("change", () => {
      const at = look();
      Plotly.react(plot, traces(at), layout(at)).then(() => { if (chosen !== null) show(chosen); });
    });
    drawing.then(() => {
      plot.on("plotly_click", (event) => show(event.points[0].customdata));
      holder.dataset.ready = kind;
    });
  });
})();
